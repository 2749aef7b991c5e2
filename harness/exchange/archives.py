"""Unpacks zip and tar archives that somebody else made.

Nothing is written outside the target, no link and no device is made, and an archive that would grow too large, too
numerous or by too high a factor is refused: sizes are counted while unpacking, never believed. Nothing reaches the
target before all of it is unpacked.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from harness.base.errors import BadInput
from harness.base.safe_files import move_in, scratch_folder

_CHUNK = 1 << 20
_MAX_HEADER = 8 << 10
"""The longest extended tar header (it holds a long name). Longer ones cost memory, and in Python before 3.11.10 quadratic
time (CVE-2024-6232)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on an archive's size once unpacked. The published ALFWorld archive, the largest we know, stays far below."""

    total_bytes: int = 16 * 2**30
    files: int = 500_000
    ratio: float = 200.0
    """Unpacked to packed size. Deflate reaches 1,032 on constant bytes; text and JSON stay below 50."""
    free_bytes: int = 64 * 2**20
    """Below this the ratio is not looked at."""


class _Meter:
    """Counts what came out of an archive."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self.archive = archive
        self.limits = limits
        self.packed = max(archive.stat().st_size, 1)
        self.bytes = 0
        self.entries = 0
        self.names: set[str] = set()

    def add_bytes(self, count: int) -> None:
        self.bytes += count
        if self.bytes > self.limits.total_bytes:
            raise self.refusal(f"it unpacks to more than {self.limits.total_bytes:,} bytes")
        if self.bytes > self.limits.free_bytes and self.bytes > self.limits.ratio * self.packed:
            raise self.refusal(f"it unpacks to more than {self.limits.ratio:g} times its size, as an archive bomb does")

    def add_name(self, name: str) -> None:
        if name in self.names:
            raise self.refusal(f"it holds {name!r} twice")
        self.names.add(name)

    def add_entry(self) -> None:
        """A file or a folder."""
        self.entries += 1
        if self.entries > self.limits.files:
            raise self.refusal(f"it holds more than {self.limits.files:,} files and folders")

    def refusal(self, why: str) -> BadInput:
        return BadInput(f"{self.archive}: not unpacked: {why}")


def is_archive(path: Path) -> bool:
    """True if a file is a zip or (compressed) tar archive, by its content."""
    if not path.is_file():
        return False
    if zipfile.is_zipfile(path):
        return True
    try:
        with _decompressed(path) as stream:
            head = stream.read(512)
    except (OSError, EOFError, lzma.LZMAError, zlib.error):
        return False
    return len(head) == 512 and head[257:262] == b"ustar"


def extract_archive(path: Path, target: Path, limits: Limits | None = None) -> int:
    """Unpack into `target` (made if needed); returns the number of files. Raises `BadInput` for an archive that is
    broken, encrypted, too large, or holds anything but plain files and folders with plain relative names."""
    limits = limits or Limits()
    target.mkdir(parents=True, exist_ok=True)
    meter = _Meter(path, limits)
    with scratch_folder(target, "unpack") as staging:
        unpack = _extract_zip if zipfile.is_zipfile(path) else _extract_tar
        try:
            unpack(path, staging, meter)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
            raise BadInput(f"{path} is not a sound archive: {error}. Download it again.") from error
        except (NotImplementedError, RuntimeError) as error:  # zipfile: unknown compression, encrypted
            raise BadInput(f"{path} cannot be unpacked: {error}") from error
        except OSError as error:
            raise BadInput(f"{path} could not be unpacked into {target}: {error}") from error
        _move_in(staging, target)
    return len(meter.names)


def safe_name(name: str) -> PurePosixPath | None:
    """The name as a relative path, or None if it could leave the target or mean different things on different
    systems. The empty path stands for the target itself."""
    path = PurePosixPath(name)
    unsafe = (
        "\\" in name
        or any(ord(letter) < 32 for letter in name)
        or path.is_absolute()
        or ".." in path.parts
        or any(":" in part for part in path.parts)
    )
    return None if unsafe else path


def _place(name: str, folder: Path, meter: _Meter) -> Path:
    meter.add_entry()
    path = safe_name(name)
    if path is None:
        raise meter.refusal(f"the name {name!r} leads out of the folder")
    return folder / path


def _extract_zip(path: Path, folder: Path, meter: _Meter) -> None:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise meter.refusal(f"{entry.filename!r} is a link or a device")
            place = _place(entry.filename, folder, meter)
            if entry.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            meter.add_name(place.relative_to(folder).as_posix())
            with archive.open(entry) as source:
                _copy(source, place, meter.add_bytes)


def _extract_tar(path: Path, folder: Path, meter: _Meter) -> None:
    with _decompressed(path) as raw:
        metered = cast(IO[bytes], _MeteredStream(raw, meter))
        with tarfile.open(fileobj=metered, mode="r|", tarinfo=_careful_tarinfo(meter)) as archive:
            for entry in archive:
                # A sparse file is made of holes that no stream can count.
                if not (entry.isreg() or entry.isdir()) or entry.issparse():
                    raise meter.refusal(f"{entry.name!r} is a link, a device or a sparse file")
                place = _place(entry.name, folder, meter)
                if entry.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                meter.add_name(place.relative_to(folder).as_posix())
                source = archive.extractfile(entry)
                if source is not None:
                    _copy(source, place, lambda count: None)  # counted below, where headers are counted, too
        while metered.read(_CHUNK):  # what follows the end mark is part of the size
            pass


def _careful_tarinfo(meter: _Meter) -> type[tarfile.TarInfo]:
    """Reads headers as `TarInfo` does, but no extended one of more than `_MAX_HEADER` bytes."""

    class Careful(tarfile.TarInfo):
        def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
            # The one place where tarfile branches on the type, before it reads the header's content.
            if self.size > _MAX_HEADER and not (self.isreg() or self.isdir()):
                raise meter.refusal("one of its headers is too long")
            return cast(tarfile.TarInfo, super()._proc_member(archive))  # type: ignore[misc]

    return Careful


class _MeteredStream:
    """A decompressed stream that counts, padding and headers included."""

    def __init__(self, raw: IO[bytes], meter: _Meter) -> None:
        self._raw = raw
        self._meter = meter

    def read(self, size: int) -> bytes:
        data = self._raw.read(size)
        self._meter.add_bytes(len(data))
        return data


def _decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    if magic.startswith(b"BZh"):
        return cast(IO[bytes], bz2.open(path, "rb"))
    if magic.startswith(b"\xfd7zXZ\x00"):
        return cast(IO[bytes], lzma.open(path, "rb"))
    return path.open("rb")


def _copy(source: IO[bytes], place: Path, count: Callable[[int], Any]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as out:
        while chunk := source.read(_CHUNK):
            count(len(chunk))
            out.write(chunk)


def _move_in(staging: Path, target: Path) -> None:
    """Move what was unpacked into the target, over files of the same name."""
    try:
        move_in(staging, target)
    except FileExistsError as error:
        raise BadInput(f"{error.filename} lies behind a symbolic link; remove it first") from None
