"""Downloads from a real server on this machine: they resume, verify, and go nowhere they should not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.data import Source
from harness.base.errors import BadInput
from harness.exchange.download import DownloadPolicy, check_address, download
from tests.harness.data.server import FileServer, file_server

BODY = bytes(range(256)) * 2000  # 512,000 bytes: more than one chunk
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        running.files["/data.bin"] = BODY
        running.etags["/data.bin"] = '"v1"'
        yield running


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def policy(waits: list[float]) -> DownloadPolicy:
    return DownloadPolicy(attempts=3, http_hosts=frozenset({"127.0.0.1"}), sleep=waits.append)


def source(server: FileServer, sha256: str | None = DIGEST, path: str = "/data.bin") -> Source:
    return Source("data.bin", server.url + path, sha256)


def test_a_file_arrives_verified_and_reports_progress(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    fetched = download(source(server), tmp_path, policy, lambda *step: seen.append(step))
    assert fetched.path.read_bytes() == BODY
    assert (fetched.sha256, fetched.verified, fetched.downloaded) == (DIGEST, True, True)
    assert seen[0] == ("data.bin", 0, len(BODY))
    assert seen[-1] == ("data.bin", len(BODY), len(BODY))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.bin", "downloads.json"]


def test_what_is_there_is_not_downloaded_again(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    download(source(server), tmp_path, policy)
    again = download(source(server), tmp_path, policy)
    assert not again.downloaded
    assert len(server.requests) == 1


def test_a_damaged_file_is_downloaded_again(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"damaged")
    assert download(source(server), tmp_path, policy).path.read_bytes() == BODY


def test_a_broken_connection_is_resumed_where_it_broke(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    server.cut_after["/data.bin"] = [100_000, 50_000]
    assert download(source(server), tmp_path, policy).path.read_bytes() == BODY
    assert server.requests == [
        ("/data.bin", None, None),
        ("/data.bin", "bytes=100000-", '"v1"'),
        ("/data.bin", "bytes=150000-", '"v1"'),
    ]


def test_the_next_call_goes_on_where_the_last_one_gave_up(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    server.cut_after["/data.bin"] = [1000, 1000, 1000]
    with pytest.raises(BadInput, match=r"3 tries.*What has arrived is kept"):
        download(source(server), tmp_path, policy)
    assert (tmp_path / "data.bin.part").read_bytes() == BODY[:3000]
    assert not (tmp_path / "data.bin").exists()
    server.requests.clear()
    assert download(source(server), tmp_path, policy).path.read_bytes() == BODY
    assert server.requests == [("/data.bin", "bytes=3000-", '"v1"')]


def test_a_file_that_changed_meanwhile_is_begun_again(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    server.cut_after["/data.bin"] = [1000, 1000, 1000]
    with pytest.raises(BadInput):
        download(source(server), tmp_path, policy)
    changed = b"new" * 5000
    server.files["/data.bin"], server.etags["/data.bin"] = changed, '"v2"'
    fetched = download(source(server, hashlib.sha256(changed).hexdigest()), tmp_path, policy)
    assert fetched.path.read_bytes() == changed


@pytest.mark.parametrize("kind", ["no validator", "weak etag", "no ranges"])
def test_without_a_way_to_be_sure_it_begins_again(
    kind: str, server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    if kind == "no ranges":
        server.ranges = False
    else:
        server.etags = {} if kind == "no validator" else {"/data.bin": 'W/"v1"'}
    server.cut_after["/data.bin"] = [1000]
    assert download(source(server), tmp_path, policy).path.read_bytes() == BODY
    if kind != "no ranges":
        assert server.requests[1] == ("/data.bin", None, None)


def test_a_date_serves_where_there_is_no_etag(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    server.etags, server.dates = {}, {"/data.bin": "Mon, 03 Mar 2025 10:00:00 GMT"}
    server.cut_after["/data.bin"] = [1000]
    assert download(source(server), tmp_path, policy).path.read_bytes() == BODY
    assert server.requests[1] == ("/data.bin", "bytes=1000-", "Mon, 03 Mar 2025 10:00:00 GMT")


def test_a_part_that_is_already_whole_is_taken(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(BODY)
    state = {"url": server.url + "/data.bin", "validator": '"v1"'}
    (tmp_path / "data.bin.part.json").write_text(json.dumps(state))
    assert download(source(server), tmp_path, policy).path.read_bytes() == BODY
    assert len(server.requests) == 1


def test_a_part_longer_than_the_file_is_begun_again(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(BODY + b"more")
    state = {"url": server.url + "/data.bin", "validator": '"v1"'}
    (tmp_path / "data.bin.part.json").write_text(json.dumps(state))
    assert download(source(server), tmp_path, policy).path.read_bytes() == BODY


def test_a_wrong_hash_is_refused_and_nothing_is_left(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"is not the published file.*expected 0000"):
        download(source(server, "0" * 64), tmp_path, policy)
    assert list(tmp_path.iterdir()) == []


def test_an_unpublished_hash_is_recorded_and_shown_as_unverified(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    fetched = download(source(server, None), tmp_path, policy)
    assert not fetched.verified
    assert "recorded at the first download" in fetched.note
    record = json.loads((tmp_path / "downloads.json").read_text())["data.bin"]
    assert record == {"url": server.url + "/data.bin", "sha256": DIGEST, "verified": False}
    assert not download(source(server, None), tmp_path, policy).downloaded
    (tmp_path / "data.bin").unlink()
    server.files["/data.bin"] = b"something else"
    changed = download(source(server, None), tmp_path, policy)
    assert changed.note == f"CHANGED since the first download (then {DIGEST})"


def test_server_errors_are_tried_again_and_retry_after_is_kept(
    server: FileServer, policy: DownloadPolicy, waits: list[float], tmp_path: Path
) -> None:
    server.statuses["/data.bin"] = [503, 429]
    server.headers["Retry-After"] = "7"
    assert download(source(server), tmp_path, policy).path.read_bytes() == BODY
    assert waits == [7.0, 7.0]


def test_a_missing_file_is_not_tried_again(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"answered 404.*harness data import"):
        download(source(server, path="/gone"), tmp_path, policy)
    assert len(server.requests) == 1


def test_an_unreachable_host_is_bad_input(policy: DownloadPolicy, tmp_path: Path) -> None:
    with file_server() as closed:
        url = closed.url
    with pytest.raises(BadInput, match="could not be downloaded"):
        download(Source("data.bin", url + "/data.bin", None), tmp_path, policy)


def test_a_redirect_on_the_same_host_is_followed(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    server.redirects["/old"] = "/data.bin"
    assert download(source(server, path="/old"), tmp_path, policy).path.read_bytes() == BODY


def test_a_redirect_to_a_foreign_host_is_refused(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    server.redirects["/old"] = f"http://localhost:{port}/data.bin"
    allowing_http = DownloadPolicy(http_hosts=frozenset({"127.0.0.1", "localhost"}))
    with pytest.raises(BadInput, match="redirects to 'localhost', which is not declared"):
        download(source(server, path="/old"), tmp_path, allowing_http)
    assert [path for path, _, _ in server.requests] == ["/old"]


def test_a_redirect_away_from_https_is_refused(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    server.redirects["/old"] = "http://192.0.2.1/data.bin"
    with pytest.raises(BadInput, match="only https"):
        download(source(server, path="/old"), tmp_path, policy)


def test_a_circle_of_redirects_ends(server: FileServer, policy: DownloadPolicy, tmp_path: Path) -> None:
    server.redirects["/old"] = "/old"
    with pytest.raises(BadInput, match="redirects more than 5 times"):
        download(source(server, path="/old"), tmp_path, policy)


def test_a_file_over_the_limit_is_refused(server: FileServer, tmp_path: Path) -> None:
    small = DownloadPolicy(http_hosts=frozenset({"127.0.0.1"}), max_bytes=1000)
    with pytest.raises(BadInput, match="more than the 1,000 allowed"):
        download(source(server), tmp_path, small)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://github.com/x", True),
        ("https://release-assets.githubusercontent.com/x", True),
        ("https://GITHUB.com/x", True),
        ("https://github.com.evil.example/x", False),
        ("https://user@github.com/x", False),
        ("https://raw.githubusercontent.com/x", False),
        ("http://github.com/x", False),
        ("file:///etc/passwd", False),
        ("https://github.com:bad/x", False),
    ],
)
def test_only_declared_https_addresses_are_asked(url: str, allowed: bool) -> None:
    github = Source("x", "https://github.com/x", None)
    if allowed:
        check_address(url, github, DownloadPolicy())
    else:
        with pytest.raises(BadInput):
            check_address(url, github, DownloadPolicy())


def test_two_downloads_of_one_file_at_once_are_refused(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    def download_again(name: str, done: int, total: int | None) -> None:
        with pytest.raises(BadInput, match="by another process"):
            download(source(server), tmp_path, policy)

    assert download(source(server), tmp_path, policy, download_again).path.read_bytes() == BODY


PAGE = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"


def test_a_web_page_in_the_files_place_is_not_kept_and_asked_for_again(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    server.instead["/data.bin"] = [PAGE, PAGE]
    fetched = download(source(server, None), tmp_path, policy)
    assert fetched.path.read_bytes() == BODY
    assert len(server.requests) == 3


def test_nothing_but_pages_is_bad_input_and_the_next_call_asks_again(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    server.instead["/data.bin"] = [PAGE] * 3
    with pytest.raises(BadInput, match="an HTML page, not the file .*Nothing of it was kept; run the command again"):
        download(source(server, None), tmp_path, policy)
    assert (tmp_path / "data.bin.part").read_bytes() == b""
    assert not (tmp_path / "data.bin").exists()
    assert download(source(server, None), tmp_path, policy).path.read_bytes() == BODY  # what the message says


def test_a_page_that_was_kept_earlier_is_not_taken_for_the_file(
    server: FileServer, policy: DownloadPolicy, tmp_path: Path
) -> None:
    download(source(server, None), tmp_path, policy)
    record = json.loads((tmp_path / "downloads.json").read_text())
    record["data.bin"]["sha256"] = hashlib.sha256(PAGE).hexdigest()
    (tmp_path / "downloads.json").write_text(json.dumps(record))
    (tmp_path / "data.bin").write_bytes(PAGE)
    assert download(source(server, None), tmp_path, policy).path.read_bytes() == BODY
