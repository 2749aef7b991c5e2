"""Archives from strangers: what is harmless is unpacked, everything else is refused and leaves nothing behind."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import BadInput
from harness.exchange.archives import Limits, extract_archive, is_archive, safe_name

Entry = tuple[str, bytes]


def make_zip(path: Path, *entries: Entry) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def make_tar(path: Path, *entries: Entry, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


MAKERS: list[Callable[..., Path]] = [make_zip, make_tar]
makers = pytest.mark.parametrize("make", MAKERS, ids=["zip", "tar"])


def refused(path: Path, target: Path, match: str, limits: Limits | None = None) -> None:
    with pytest.raises(BadInput, match=match):
        extract_archive(path, target, limits)
    assert list(target.rglob("*")) == []


@makers
def test_files_and_folders_are_unpacked(make: Callable[..., Path], tmp_path: Path) -> None:
    path = make(tmp_path / "a", ("top.txt", b"1"), ("deep/er/x.json", b"{}"))
    assert is_archive(path)
    assert extract_archive(path, tmp_path / "out") == 2
    assert (tmp_path / "out/deep/er/x.json").read_bytes() == b"{}"
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["deep", "top.txt"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_every_compression_of_tar_is_read(mode: str, tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a", ("x", b"content" * 100), mode=mode)
    assert is_archive(path)
    extract_archive(path, tmp_path / "out")
    assert (tmp_path / "out/x").read_bytes() == b"content" * 100


def test_a_compressed_single_file_is_no_archive(tmp_path: Path) -> None:
    for name, content in (("g", gzip.compress(b"a" * 999)), ("t", b"plain text"), ("e", b"")):
        (tmp_path / name).write_bytes(content)
        assert not is_archive(tmp_path / name)
    assert not is_archive(tmp_path)


@makers
@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "a\\..\\evil", "C:/evil", "a\nb"])
def test_a_name_that_leads_out_is_refused(make: Callable[..., Path], name: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a", ("fine", b"1"), (name, b"2"))
    refused(path, tmp_path / "out", "leads out of the folder")
    assert not (tmp_path / "evil").exists()


@given(st.text(alphabet="ab./\\:\0 ", max_size=12))
def test_a_safe_name_stays_inside(name: str) -> None:
    path = safe_name(name)
    if path is not None:
        resolved = os.path.normpath(os.path.join("/target", str(path)))
        assert resolved == "/target" or resolved.startswith("/target/")


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
        archive.writestr("link/passwd", "x")
    refused(tmp_path / "a.zip", tmp_path / "out", "is a link or a device")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    refused(tmp_path / "a.tar", tmp_path / "out", "is a link, a device")


def test_a_file_of_holes_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("holes")
        info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(10**12)}
        archive.addfile(info)
    refused(tmp_path / "a.tar", tmp_path / "out", "sparse file")


@makers
def test_a_bomb_is_refused_by_its_ratio(make: Callable[..., Path], tmp_path: Path) -> None:
    path = make(tmp_path / "a", ("zeros", bytes(20_000_000)))
    refused(path, tmp_path / "out", "as an archive bomb does", Limits(free_bytes=1_000_000))


@makers
def test_a_bomb_of_many_pieces_is_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    path = make(tmp_path / "a", *((f"zeros{number}", bytes(500_000)) for number in range(20)))
    refused(path, tmp_path / "out", "as an archive bomb does", Limits(free_bytes=1_000_000))


def test_a_bomb_in_the_headers_is_refused_before_it_unpacks_into_memory(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"comment": "0" * 10_000_000}
        archive.addfile(info)
    refused(tmp_path / "a.tar.gz", tmp_path / "out", "headers is too long")


def test_a_long_name_is_unpacked(tmp_path: Path) -> None:
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
            archive.addfile(tarfile.TarInfo("folder/" * 40 + "x"))
        assert extract_archive(tmp_path / "a.tar", tmp_path / "out") == 1


@makers
def test_more_bytes_than_allowed_are_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    path = make(tmp_path / "a", ("x", os.urandom(50_000)))
    refused(path, tmp_path / "out", "more than 40,000 bytes", Limits(total_bytes=40_000))


@makers
def test_more_files_than_allowed_are_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    path = make(tmp_path / "a", *((str(number), b"") for number in range(11)))
    refused(path, tmp_path / "out", "more than 10 files", Limits(files=10))


@makers
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    refused(make(tmp_path / "a", ("x", b"1"), ("./x", b"2")), tmp_path / "out", "twice")


@pytest.mark.parametrize("cut", [0.5, 0.9])
@makers
def test_a_cut_off_archive_is_refused(make: Callable[..., Path], cut: float, tmp_path: Path) -> None:
    content = os.urandom(5000)
    data = make(tmp_path / "a", ("x", content), ("y", content)).read_bytes()
    (tmp_path / "b").write_bytes(data[: int(len(data) * cut)])
    refused(tmp_path / "b", tmp_path / "out", "not a sound archive|could not be unpacked")


def test_a_zip_whose_content_does_not_fit_its_checksum_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("x", b"A" * 1000)
    data = (tmp_path / "a").read_bytes().replace(b"A" * 10, b"B" * 10, 1)
    (tmp_path / "b").write_bytes(data)
    refused(tmp_path / "b", tmp_path / "out", "not a sound archive")


@pytest.mark.parametrize("squeeze", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_rubbish_is_refused(squeeze: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(squeeze(b"rubbish" * 1000))
    refused(tmp_path / "a", tmp_path / "out", "not a sound archive")


def test_a_link_in_the_target_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "out"
    target.mkdir()
    (target / "sub").symlink_to(outside)
    with pytest.raises(BadInput, match="symbolic link"):
        extract_archive(make_zip(tmp_path / "a", ("sub/x", b"1")), target)
    assert list(outside.iterdir()) == []
