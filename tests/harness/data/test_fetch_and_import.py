"""From published files to data an environment can play: fetching over HTTP, importing folders and archives."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.data import DATA, DataHooks, ImportReport, Source
from harness.base.errors import BadInput
from harness.exchange.archives import Limits
from harness.exchange.download import DownloadPolicy
from harness.exchange.fetch import fetch
from harness.exchange.importing import import_path
from tests.harness.data.server import FileServer, file_server


def toy_hooks(marker: str, sources: tuple[Source, ...] = ()) -> DataHooks:
    """An environment whose data is a folder with a file of the marker's name."""

    def import_from(folder: Path, home: Path) -> ImportReport:
        if not (folder / marker).exists():
            raise BadInput(f"{folder} has no {marker}")
        (home / marker).write_bytes((folder / marker).read_bytes())
        return ImportReport(1, "things", where=home)

    return DataHooks(sources, lambda folder: (folder / marker).is_file(), import_from)


class Table:
    """Stands in for the table of environments with data."""

    def __init__(self, **hooks: DataHooks | ImportError) -> None:
        self.hooks = hooks

    def names(self) -> list[str]:
        return sorted(self.hooks)

    def load(self, name: str) -> DataHooks:
        found = self.hooks[name]
        if isinstance(found, ImportError):
            raise found
        return found


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    table = Table(red=toy_hooks("red.txt"), blue=toy_hooks("blue.txt"), broken=ImportError("no engine"))
    monkeypatch.setattr("harness.exchange.importing.DATA", table)
    return table


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


POLICY = DownloadPolicy(attempts=2, http_hosts=frozenset({"127.0.0.1"}), sleep=lambda seconds: None)


def zip_bytes(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return buffer.getvalue()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


def test_the_environment_of_a_folder_is_found_out(table: Table, tmp_path: Path, home: Path) -> None:
    (tmp_path / "clone/deep/data").mkdir(parents=True)
    (tmp_path / "clone/deep/data/blue.txt").write_text("1")
    name, report = import_path(tmp_path / "clone", home=home)
    assert (name, report.kept) == ("blue", 1)
    assert (home / "blue.txt").exists()


def test_an_archive_is_imported_and_its_copy_removed(table: Table, tmp_path: Path, home: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_bytes(top__red_txt=b"1"))
    assert import_path(tmp_path / "a.zip", home=home)[0] == "red"
    assert [path.name for path in home.iterdir()] == ["red.txt"]


def test_data_of_two_environments_needs_a_name(table: Table, tmp_path: Path, home: Path) -> None:
    for name in ("red.txt", "blue.txt"):
        (tmp_path / name).write_text("1")
    with pytest.raises(BadInput, match=r"several environments \(blue, red\); name one with --env"):
        import_path(tmp_path, home=home)
    assert import_path(tmp_path, env="red", home=home)[0] == "red"


def test_unknown_data_is_bad_input_naming_who_could_not_be_asked(table: Table, tmp_path: Path, home: Path) -> None:
    with pytest.raises(BadInput, match=r"no data of blue, broken, red recognised.*broken: no engine"):
        import_path(tmp_path, home=home)


def test_a_named_environment_says_itself_what_is_missing(table: Table, tmp_path: Path, home: Path) -> None:
    with pytest.raises(BadInput, match=r"has no red.txt"):
        import_path(tmp_path, env="red", home=home)


def test_an_environment_that_does_not_load_is_bad_input(table: Table, tmp_path: Path, home: Path) -> None:
    with pytest.raises(BadInput, match="'broken' does not load here: no engine"):
        import_path(tmp_path, env="broken", home=home)


def test_a_missing_path_or_a_plain_file_is_bad_input(table: Table, tmp_path: Path, home: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        import_path(tmp_path / "nowhere", home=home)
    (tmp_path / "x.txt").write_text("1")
    with pytest.raises(BadInput, match="give the folder that holds the published files, or a zip or tar archive"):
        import_path(tmp_path / "x.txt", home=home)


def test_a_dangerous_archive_is_not_imported(table: Table, tmp_path: Path, home: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_bytes(red_txt=b"1", **{"/../evil": b"2"}))
    with pytest.raises(BadInput, match="leads out"):
        import_path(tmp_path / "a.zip", home=home)
    (tmp_path / "b.zip").write_bytes(zip_bytes(red_txt=b"1" * 100))
    with pytest.raises(BadInput, match="more than 10 bytes"):
        import_path(tmp_path / "b.zip", home=home, limits=Limits(total_bytes=10))
    assert list(home.iterdir()) == []


def test_fetching_downloads_verifies_and_imports(server: FileServer, home: Path) -> None:
    server.files = {"/red.txt": b"hello", "/more.txt": b"more"}
    digest = hashlib.sha256(b"hello").hexdigest()
    sources = (
        Source("red.txt", server.url + "/red.txt", digest),
        Source("more.txt", server.url + "/more.txt", None),
    )
    report = fetch(toy_hooks("red.txt", sources), "red", home, policy=POLICY)
    assert [(file.name, file.verified) for file in report.files] == [("red.txt", True), ("more.txt", False)]
    assert (home / "red.txt").read_bytes() == b"hello"
    assert report.imported.kept == 1
    again = fetch(toy_hooks("red.txt", sources), "red", home, policy=POLICY)
    assert [file.downloaded for file in again.files] == [False, False]
    assert len(server.requests) == 2


def test_fetched_archives_are_unpacked_together(server: FileServer, home: Path) -> None:
    server.files = {"/a.zip": zip_bytes(data__red_txt=b"1"), "/b.zip": zip_bytes(data__more_txt=b"2")}
    sources = tuple(Source(name, f"{server.url}/{name}", None) for name in ("a.zip", "b.zip"))
    fetch(toy_hooks("red.txt", sources), "red", home, policy=POLICY)
    unpacked = home / "downloads/red/files/data"
    assert sorted(path.name for path in unpacked.iterdir()) == ["more.txt", "red.txt"]


def test_a_wrong_file_is_not_imported(server: FileServer, home: Path) -> None:
    server.files = {"/red.txt": b"altered"}
    sources = (Source("red.txt", server.url + "/red.txt", hashlib.sha256(b"hello").hexdigest()),)
    with pytest.raises(BadInput, match="not the published file"):
        fetch(toy_hooks("red.txt", sources), "red", home, policy=POLICY)
    assert not (home / "red.txt").exists()


def test_an_environment_without_sources_says_so(home: Path) -> None:
    with pytest.raises(BadInput, match="no source that data can be fetched from"):
        fetch(toy_hooks("red.txt"), "red", home)


def test_the_real_sotopia_sources_are_pinned_and_https() -> None:
    hooks: DataHooks = DATA.load("sotopia")
    assert {source.url.split("/")[2] for source in hooks.sources} == {"raw.githubusercontent.com"}
    assert all(source.url.startswith("https://") and len(source.sha256 or "") == 64 for source in hooks.sources)
