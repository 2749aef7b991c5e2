"""Repairs a run's folder: sets aside the lines of its records that cannot be read, so that everybody can read the rest.

Nothing is deleted: what is taken out of a file stands in `damaged.jsonl` beside it, one JSON object per line: `file`, `line`
and `byte` (where it stood), `bytes` (its length), `sha256`, `reason`, `set_aside_at`, and its content as `text`, or as
`base64` where it is no UTF-8 or long. A whole record is kept where only something before it is damaged (a byte order mark,
NUL bytes, a torn line that it was appended to). Files are read in parts, so that a line of any length can be set aside.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from harness.base.columns import Columns, InMemory, blocks_in, encode_block
from harness.base.errors import BadInput, Damaged
from harness.base.safe_files import replacing
from harness.results.holding import RunLock
from harness.results.index import index_path
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.results.scalars import HASH, KINDS
from harness.results.soundness import check_run, problems_of
from harness.results.store import (
    CALLS,
    EPISODES,
    JUDGEMENTS,
    MANIFEST,
    PROCESS_REWARDS,
    read_manifest,
    refuse_irregular,
    refuse_newer,
)
from harness.results.trust import line_hash

SET_ASIDE = "damaged.jsonl"
MODELS: Mapping[str, type[BaseModel]] = {
    EPISODES: EpisodeRecord,
    JUDGEMENTS: JudgementRecord,
    PROCESS_REWARDS: ProcessRewardRecord,
}
PART = 3 << 18
"""Bytes that are read at once; base64 of a part needs no padding."""
LONGEST = 1 << 28
"""Bytes of a line that is still read as a record."""
LONGEST_ODD = 1 << 24
"""Bytes of a line in which half characters are still looked for."""
LONGEST_TEXT = 1 << 20
"""Bytes of a line that is set aside as text; longer ones as base64, part by part."""
BOM = b"\xef\xbb\xbf"
BEGINS = b'{"schema_version":'
"""Bytes every record begins with. Inside a record it cannot stand: quotation marks in texts are escaped."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A damaged part of a file, to be taken out: `size` bytes from `start` on."""

    line: int
    start: int
    size: int
    reason: str
    newline: bool = False
    """The last record is whole, but for its newline: nothing is taken out, one is put behind it."""


@dataclass(slots=True)
class Repaired:
    """The result of a repair."""

    folder: Path
    set_aside: dict[str, int] = field(default_factory=dict)
    """File -> lines, or parts of lines, that were set aside."""
    completed: int = 0
    """Files whose last record got the newline that it lacked."""

    @property
    def count(self) -> int:
        return sum(self.set_aside.values())


def repair_run(folder: Path) -> Repaired:
    """Set aside the lines of a run's records that cannot be read. Raises `BadInput` for a folder that is no run, or is being
    written to; `Damaged` for a manifest that cannot be read, and for what is no file; `Newer` for records of a newer version,
    which are not damaged. Nothing is changed then."""
    for name in (MANIFEST, *KINDS, CALLS, SET_ASIDE):
        _refuse_strange(folder / name)
    manifest = read_manifest(folder)
    lock = RunLock(folder)
    lock.acquire()
    try:
        found = {name: list(_faults(folder / name, manifest)) for name in KINDS if (folder / name).exists()}
        _write_down(folder, {name: [each for each in faults if not each.newline] for name, faults in found.items()})
        done = Repaired(folder)
        for name, faults in found.items():
            if faults:
                _take_out(folder / name, faults)
                index_path(folder / name).unlink(missing_ok=True)
                done.completed += sum(each.newline for each in faults)
                if count := sum(not each.newline for each in faults):
                    done.set_aside[name] = count
        check_run(folder)
        return done
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be repaired: {error.strerror or error}; every file is as it was, or whole"
        ) from error
    finally:
        lock.release()


def _refuse_strange(path: Path) -> None:
    """Raise `Damaged` for a link, and for what is no file."""
    if path.is_symlink():
        raise Damaged(f"{path} cannot be repaired: it is a link, which is not followed; put the file itself there")
    refuse_irregular(path)


def _faults(path: Path, manifest: Mapping[str, Any]) -> Iterator[Fault]:
    """The damaged parts of a file, in order; a line that repeats the last one of the same record is one."""
    last: dict[str, tuple[bytes, int]] = {}
    with open(path, "rb") as file:
        for line, start, size, whole in list(_lines(file)):
            content = _content(file, start, size)
            before, problem, record = _record(path.name, content, size, manifest)
            if record is None or problem is not None:
                yield Fault(line, start, size + whole, problem or "no record")
                continue
            if before:
                yield Fault(line, start, before, "what stands before the record, which is kept")
            key, digest = str(record[KINDS[path.name].key]), hashlib.sha256(content[before:].strip()).digest()
            known = last.get(key)
            if known is not None and known[0] == digest:
                yield Fault(line, start + before, size + whole - before, f"it is the same as line {known[1]}")
                continue
            last[key] = digest, line
            if not whole:
                yield Fault(line, start + size, 0, "", newline=True)


def _lines(file: IO[bytes]) -> Iterator[tuple[int, int, int, bool]]:
    """(number, start, length without newline, whether there is one) of every line; no line has to fit into memory."""
    number, start, position = 1, 0, 0
    while part := file.read(PART):
        at = part.find(b"\n")
        while at >= 0:
            yield number, start, position + at - start, True
            number, start = number + 1, position + at + 1
            at = part.find(b"\n", at + 1)
        position += len(part)
    if position > start:
        yield number, start, position - start, False


def _content(file: IO[bytes], start: int, size: int) -> bytes:
    """A line, or the beginning of one that is too long for a record."""
    file.seek(start)
    return file.read(size if size <= LONGEST else 16)


def _record(
    name: str, content: bytes, size: int, manifest: Mapping[str, Any]
) -> tuple[int, str | None, dict[str, Any] | None]:
    """(bytes before the record, what is wrong, the record) of a line. Raises `Newer`."""
    if size > LONGEST:
        return 0, f"a line of {size} bytes is no record", None
    problem: str | None = None
    for before in _beginnings(content):
        found, why = _read(name, content[before:], manifest)
        if why is None:
            return before, None, found
        problem = problem or why
    return 0, problem or _no_object(content), None


def _beginnings(content: bytes) -> Iterator[int]:
    """Offsets in a line at which a record may begin: its start, behind a byte order mark and NUL bytes, behind a torn record."""
    bare = content.removeprefix(BOM).lstrip(b"\0 \t\r")
    places = [len(content) - len(bare)] if bare[:1] == b"{" else []
    last = content.rfind(BEGINS)
    yield from dict.fromkeys([*places, last] if last >= 0 else places)


def _no_object(content: bytes) -> str:
    if not content.strip():
        return "the line is empty"
    return "it begins with NUL bytes" if content[:1] == b"\0" else "not a JSON object"


def _read(name: str, text: bytes, manifest: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """The record in a text, or why there is none that can be used. Raises `Newer`."""
    if not text.rstrip().endswith(b"}"):
        return None, "the record is cut off"
    try:
        value = _parsed(text)
    except (ValueError, RecursionError) as error:
        return None, str(error)[:300]
    if not isinstance(value, dict):
        return None, "not a JSON object"
    refuse_newer(value, f"a record of {name}")
    try:
        MODELS[name].model_validate(value)
        kind = KINDS[name]
        place = {"offset": 0, "length": len(text), HASH: line_hash(text)}
        block = InMemory(encode_block(kind.schema, [{**place, **kind.scalars(value)}]))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return None, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        return None, f"no record of ours ({type(error).__name__}: {error})"[:300]
    columns = Columns(kind.schema, tuple(blocks_in(block, 0, block.size, kind.schema)))
    return value, next((problem for _, problem in problems_of(name, columns, manifest)), None)


def _parsed(text: bytes) -> Any:
    try:
        return from_json(text, cache_strings="keys")
    except ValueError:
        if len(text) > LONGEST_ODD:
            raise
        return json.loads(text.decode("utf-8", "surrogatepass"))  # what only this one reads (half characters)


def _write_down(folder: Path, found: Mapping[str, list[Fault]]) -> None:
    """Put the faults into `damaged.jsonl`, those that are not there yet (an earlier repair may have been killed)."""
    path = folder / SET_ASIDE
    known = _known(path)
    fresh = []
    for name, faults in found.items():
        with open(folder / name, "rb") as file:
            for fault in faults:
                digest = _digest(file, fault)
                if (name, fault.start, digest) not in known:
                    fresh.append((name, fault, digest))
    if not fresh:
        return
    with replacing(path, durable=True) as out:
        if path.exists():
            with open(path, "rb") as old:
                _copy(old, out, 0, path.stat().st_size)
        for name, fault, digest in fresh:
            with open(folder / name, "rb") as file:
                _write_entry(out, file, name, fault, digest)


def _known(path: Path) -> set[tuple[str, int, str]]:
    """(file, byte, sha256) of what was set aside before."""
    found = set()
    if path.exists():
        with open(path, "rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    found.add((entry["file"], entry["byte"], entry["sha256"]))
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue
    return found


def _parts(file: IO[bytes], start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size > 0 and (part := file.read(min(size, PART))):
        size -= len(part)
        yield part


def _digest(file: IO[bytes], fault: Fault) -> str:
    digest = hashlib.sha256()
    for part in _parts(file, fault.start, fault.size):
        digest.update(part)
    return digest.hexdigest()


def _write_entry(out: IO[bytes], file: IO[bytes], name: str, fault: Fault, digest: str) -> None:
    head = {
        "file": name,
        "line": fault.line,
        "byte": fault.start,
        "bytes": fault.size,
        "sha256": digest,
        "reason": fault.reason,
        "set_aside_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = _as_text(file, fault)
    if text is not None:
        out.write(json.dumps({**head, "text": text}).encode() + b"\n")
        return
    out.write(json.dumps(head).encode()[:-1] + b', "base64": "')
    for part in _parts(file, fault.start, fault.size):
        out.write(base64.b64encode(part))
    out.write(b'"}\n')


def _as_text(file: IO[bytes], fault: Fault) -> str | None:
    """A short line of UTF-8; None for any other."""
    if fault.size > LONGEST_TEXT:
        return None
    try:
        return b"".join(_parts(file, fault.start, fault.size)).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _take_out(path: Path, faults: list[Fault]) -> None:
    """Write the file without the faults, in its place, with the rights that it has."""
    mode, size = stat.S_IMODE(path.stat().st_mode), path.stat().st_size
    with open(path, "rb") as file, replacing(path, durable=True) as out:
        os.fchmod(out.fileno(), mode)
        position = 0
        for fault in faults:
            _copy(file, out, position, fault.start - position)
            out.write(b"\n" if fault.newline else b"")
            position = fault.start + fault.size
        _copy(file, out, position, size - position)


def _copy(file: IO[bytes], out: IO[bytes], start: int, size: int) -> None:
    for part in _parts(file, start, size):
        out.write(part)
