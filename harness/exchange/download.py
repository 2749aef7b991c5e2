"""Downloads one published file: resumable, verified, and only from where it says it comes from.

An interrupted download stays beside the target as `NAME.part` and goes on from there, provided the server still has
the same file (If-Range with its ETag or date; otherwise it starts again). Redirects are followed by hand: only to
https, only to hosts that are declared.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from environments.data import Source
from harness.base.errors import BadInput
from harness.base.safe_files import NO_LINK, write_file
from harness.base.seeds import sha256_of
from harness.base.text_files import is_html

try:
    import fcntl
except ImportError:  # not on Windows; two downloads at once are then not noticed
    fcntl = None  # type: ignore[assignment]

_HEAD = 4096
"""Bytes by which a web page is told from a file."""

Progress = Callable[[str, int, int | None], None]
"""(file name, bytes here so far, bytes in all or None)."""

REDIRECT_HOSTS = {
    "github.com": frozenset({"objects.githubusercontent.com", "release-assets.githubusercontent.com"}),
}
"""Hosts to which those of published sources are known to send us: GitHub keeps release files elsewhere."""


@dataclass(frozen=True, slots=True)
class DownloadPolicy:
    attempts: int = 5
    """Tries per call; what has arrived is kept between them and between calls."""
    max_wait_s: float = 30.0
    max_redirects: int = 5
    max_bytes: int = 16 * 2**30
    connect_timeout_s: float = 15.0
    read_timeout_s: float = 60.0
    more_hosts: frozenset[str] = frozenset()
    """Hosts that redirects may lead to besides the source's own and the known ones."""
    http_hosts: frozenset[str] = frozenset()
    """Hosts that may be asked without TLS: for tests against a local server."""
    sleep: Callable[[float], None] = field(default=time.sleep)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is here."""

    name: str
    path: Path
    sha256: str
    verified: bool
    """False where no hash is published: the hash is then the one recorded at the first download."""
    downloaded: bool
    """False where it was here already."""
    note: str = ""


class _Transient(Exception):
    """Worth another try."""

    kept = "What has arrived is kept; run the command again to go on, or"

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class _Page(_Transient):
    """A web page came in the file's place."""

    kept = (
        "Nothing of it was kept; run the command again later to ask for it again, or open the address in a browser and"
    )

    def __init__(self) -> None:
        super().__init__(
            "the server answered with an HTML page, not the file (such as Google Drive's page on a quota or a sign-in)"
        )


def download(
    source: Source, folder: Path, policy: DownloadPolicy | None = None, progress: Progress | None = None
) -> Fetched:
    """Bring one source into `folder`, or find that it is there. Raises `BadInput` when the address is refused, does
    not answer, or sends something else than what was published."""
    policy = policy or DownloadPolicy()
    progress = progress or (lambda name, done, total: None)
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / source.name
    if final.exists() and not _is_page(final, source):
        digest = sha256_of(final)
        if digest == (source.sha256 or _recorded(folder, source)):
            return Fetched(source.name, final, digest, source.sha256 is not None, downloaded=False)
    _transfer(source, folder, policy, progress)
    part = _part(folder, source)
    digest = sha256_of(part)
    if source.sha256 is not None and digest != source.sha256:
        part.unlink()
        _state(folder, source).unlink(missing_ok=True)
        raise BadInput(
            f"{source.name} from {source.url} is not the published file: sha256 {digest}, expected {source.sha256}. "
            "It was deleted; try again, or import a copy that you trust with `harness data import PATH`."
        )
    note = _record(folder, source, digest)
    os.replace(part, final)
    _state(folder, source).unlink(missing_ok=True)
    return Fetched(source.name, final, digest, source.sha256 is not None, downloaded=True, note=note)


def _part(folder: Path, source: Source) -> Path:
    return folder / f"{source.name}.part"


def _state(folder: Path, source: Source) -> Path:
    return folder / f"{source.name}.part.json"


def _transfer(source: Source, folder: Path, policy: DownloadPolicy, progress: Progress) -> None:
    """Bring the whole file to `NAME.part`, in as many tries as the policy grants."""
    timeout = httpx.Timeout(policy.read_timeout_s, connect=policy.connect_timeout_s)
    with _locked(_part(folder, source)) as part, httpx.Client(timeout=timeout, follow_redirects=False) as client:
        retrying = Retrying(
            stop=stop_after_attempt(policy.attempts),
            wait=lambda state: _wait(state, policy),
            retry=retry_if_exception_type((_Transient, httpx.TransportError)),
            sleep=policy.sleep,
            reraise=True,
        )
        try:
            retrying(_attempt, client, source, part, _state(folder, source), policy, progress)
        except (_Transient, httpx.TransportError) as error:
            raise BadInput(
                f"{source.name} could not be downloaded from {source.url} ({policy.attempts} tries): "
                f"{error or type(error).__name__}. {getattr(error, 'kept', _Transient.kept)} "
                "import a copy with `harness data import PATH`."
            ) from error
        except httpx.InvalidURL as error:
            raise BadInput(f"{source.name}: {source.url} leads to no usable address: {error}") from error
        except OSError as error:
            raise BadInput(f"{source.name} cannot be written to {folder}: {error}") from error
        part.flush()
        os.fsync(part.fileno())


def _wait(state: RetryCallState, policy: DownloadPolicy) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _Transient) and error.wait_s is not None:
        return min(error.wait_s, policy.max_wait_s)
    return wait_exponential(multiplier=0.5, max=policy.max_wait_s)(state)


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """The part file, open for reading and writing, held against a second download of the same file."""
    with open(path, "a+b", opener=lambda name, flags: os.open(name, flags | NO_LINK, 0o666)) as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BadInput(f"{path.name.removesuffix('.part')} is being downloaded by another process") from error
        yield file


def _attempt(
    client: httpx.Client, source: Source, part: IO[bytes], state: Path, policy: DownloadPolicy, progress: Progress
) -> None:
    have = part.seek(0, os.SEEK_END)
    validator = _validator(state, source) if have else None
    if validator is None:
        have = 0
    headers = {"Accept-Encoding": "identity"}
    if validator is not None:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with _open(client, source, headers, policy) as response:
        if response.status_code == 416:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                _refuse_page(part, state, source)
                return  # all of it is here already; an answer to If-Range, so it is the same file
            part.truncate(0)
            state.unlink(missing_ok=True)
            raise _Transient("the server has less than what is here; starting again", wait_s=0)
        start, total = _span(response, have)
        if total is not None and total > policy.max_bytes:
            raise BadInput(f"{source.name} has {total:,} bytes, more than the {policy.max_bytes:,} allowed")
        part.truncate(start)
        part.seek(start)
        _remember(state, source, response)
        _receive(response, source, part, start, total, policy, progress)
        _refuse_page(part, state, source)


def _refuse_page(part: IO[bytes], state: Path, source: Source) -> None:
    """Throw away a web page that came in the file's place. Raises `_Page`."""
    part.seek(0)
    if is_html(part.read(_HEAD)) and not _wants_page(source):
        part.truncate(0)
        state.unlink(missing_ok=True)
        raise _Page


def _is_page(path: Path, source: Source) -> bool:
    """True for a web page that an earlier version kept in the file's place."""
    with path.open("rb") as file:
        return is_html(file.read(_HEAD)) and not _wants_page(source)


def _wants_page(source: Source) -> bool:
    return source.name.endswith((".html", ".htm"))


def _receive(
    response: httpx.Response,
    source: Source,
    part: IO[bytes],
    start: int,
    total: int | None,
    policy: DownloadPolicy,
    progress: Progress,
) -> None:
    done = start
    progress(source.name, done, total)
    try:
        for chunk in response.iter_raw():  # no chunk size: it would hold back, and lose, the last bytes
            done += len(chunk)
            if done > policy.max_bytes:
                raise BadInput(f"{source.name} has more than the {policy.max_bytes:,} bytes allowed")
            part.write(chunk)
            progress(source.name, done, total)
    finally:
        part.flush()
    if total is not None and done != total:
        raise _Transient(f"{done:,} of {total:,} bytes arrived")


def _span(response: httpx.Response, have: int) -> tuple[int, int | None]:
    """Span of the answer: (first byte, bytes of the whole file if the server says)."""
    if response.status_code == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != have:
            raise BadInput(f"{response.url} answered with another part of the file than was asked for")
        return have, None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


@contextmanager
def _open(
    client: httpx.Client, source: Source, headers: dict[str, str], policy: DownloadPolicy
) -> Iterator[httpx.Response]:
    """GET, following redirects that are allowed. Yields an answer with status 200, 206 or 416."""
    url = source.url
    for _ in range(policy.max_redirects + 1):
        check_address(url, source, policy)
        with client.stream("GET", url, headers=headers) as response:
            if response.has_redirect_location:
                url = urljoin(url, response.headers["Location"])
                continue
            _check_answer(response, source)
            yield response
            return
    raise BadInput(f"{source.url} redirects more than {policy.max_redirects} times")


def check_address(url: str, source: Source, policy: DownloadPolicy) -> None:
    """Raise `BadInput` unless the address is https on a declared host (or http on one allowed for tests)."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise BadInput(f"{source.name}: {url!r} is no address: {error}") from error
    own = (urlsplit(source.url).hostname or "").lower()
    declared = {own} | REDIRECT_HOSTS.get(own, frozenset()) | policy.more_hosts
    if parts.scheme != "https" and not (parts.scheme == "http" and host in policy.http_hosts):
        raise BadInput(f"{source.name}: {url} is refused: only https addresses are used")
    if host not in declared or parts.username is not None:
        raise BadInput(
            f"{source.name}: {source.url} redirects to {host!r}, which is not declared as its home; not followed. "
            "Download the file yourself and use `harness data import PATH`."
        )


def _check_answer(response: httpx.Response, source: Source) -> None:
    code = response.status_code
    if code == 429 or code >= 500 or code == 408:
        seconds = response.headers.get("Retry-After", "")
        raise _Transient(f"the server answered {code}", wait_s=float(seconds) if seconds.isdigit() else None)
    if code not in (200, 206, 416):
        raise BadInput(
            f"{source.name}: {response.url} answered {code}. The address may have moved; "
            "get the file elsewhere and use `harness data import PATH`."
        )
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise BadInput(f"{source.name}: {response.url} sends a compressed form that was not asked for")


def _remember(state: Path, source: Source, response: httpx.Response) -> None:
    """Keep what tells whether a later answer is about the same file. Weak ETags do not (RFC 9110, 13.1.5)."""
    etag = response.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    write_file(state, json.dumps({"url": source.url, "validator": validator}))


def _validator(state: Path, source: Source) -> str | None:
    kept = _read_json(state)
    return kept.get("validator") if kept.get("url") == source.url else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


RECORD = "downloads.json"
"""Name -> url, sha256 and whether it was verified, of every file downloaded into a folder."""


def _recorded(folder: Path, source: Source) -> str | None:
    entry = _read_json(folder / RECORD).get(source.name, {})
    return entry.get("sha256") if entry.get("url") == source.url else None


def _record(folder: Path, source: Source, digest: str) -> str:
    """Write the hash down; returns a note when an unverified file changed since the first download."""
    entries = _read_json(folder / RECORD)
    before = _recorded(folder, source)
    note = ""
    if source.sha256 is None:
        note = "no hash is published; recorded at the first download"
        if before not in (None, digest):
            note = f"CHANGED since the first download (then {before})"
    entries[source.name] = {"url": source.url, "sha256": digest, "verified": source.sha256 is not None}
    write_file(folder / RECORD, json.dumps(entries, indent=1, sort_keys=True) + "\n")
    return note
