"""Beginnings of weight files, read without the weights: shapes of the tensors in GGUF and safetensors files, and a GGUF
file's own facts. Only the standard library, and milliseconds where the package gguf takes seconds."""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput

Shape = tuple[int, ...]
"""Rows first, as numpy and torch have it."""

# https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
_SCALARS = {
    **{0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"},
    **{10: "<Q", 11: "<q", 12: "<d"},
}
_STRING, _ARRAY = 8, 9
LARGEST_JSON = 100 << 20
"""Bytes of the longest header that a safetensors file may have."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Facts of a GGUF file. Of its arrays (vocabulary, merges) nothing is kept."""

    fields: Mapping[str, Any]
    shapes: Mapping[str, Shape]


def gguf_header(path: Path) -> GgufHeader:
    """Read a GGUF file's header. Raises `BadInput` for a file that is none."""
    try:
        status = path.stat()
        return _gguf_header(path, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        problem = " ".join(str(error).split()) or type(error).__name__
    raise BadInput(f"{path} cannot be read as a GGUF file: {problem}")


@lru_cache(maxsize=32)
def _gguf_header(path: Path, _size: int, _changed: int) -> GgufHeader:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        read = _Reader(data)
        if data[:4] != b"GGUF" or read.at(4).scalar(4) not in (2, 3):
            raise ValueError("it does not begin as one of version 2 or 3")
        tensors, count = read.scalar(10), read.scalar(10)
        fields = {read.text(): read.value(read.scalar(4)) for _ in range(count)}
        return GgufHeader(fields, dict(read.tensor() for _ in range(tensors)))


class _Reader:
    """Reads one value after the other."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._place = data, 0

    def at(self, place: int) -> _Reader:
        self._place = place
        return self

    def scalar(self, kind: int) -> Any:
        form = _SCALARS[kind]
        (value,) = struct.unpack_from(form, self._data, self._place)
        self._place += struct.calcsize(form)
        return value

    def text(self) -> str:
        length = self.scalar(10)
        begin, self._place = self._place, self._place + length
        if self._place > len(self._data):
            raise ValueError("it ends in its header")
        return self._data[begin : self._place].decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            return self.scalar(kind)
        inner, count = self.scalar(4), self.scalar(10)
        if inner in _SCALARS:
            self._place += count * struct.calcsize(_SCALARS[inner])
        else:
            for _ in range(count):
                self.value(inner)
        return None

    def tensor(self) -> tuple[str, Shape]:
        name = self.text()
        shape = [self.scalar(10) for _ in range(self.scalar(4))]
        self.scalar(4)
        self.scalar(10)
        return name, tuple(reversed(shape))


def safetensors_shapes(path: Path) -> dict[str, Shape]:
    """Shapes of the tensors in a safetensors file. Raises `BadInput` for a file that is none."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length)) if length <= LARGEST_JSON else {}
        return {name: tuple(facts["shape"]) for name, facts in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        problem = " ".join(str(error).split()) or type(error).__name__
    raise BadInput(f"{path} cannot be read as a safetensors file: {problem}")


def folder_shapes(folder: Path) -> dict[str, Shape]:
    """Shapes of all tensors in a Hugging Face folder; empty where its weights are no safetensors. Raises `BadInput`."""
    return {
        name: shape for file in sorted(folder.glob("*.safetensors")) for name, shape in safetensors_shapes(file).items()
    }
