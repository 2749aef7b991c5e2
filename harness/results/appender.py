"""Appends records to a run's JSONL files.

Durability: a line counts once it is written whole and fsynced; appends that wait for the same fsync share it. Whatever
follows the last newline when a file is opened is a torn tail of a killed process: it is set aside in `torn/` and
reported."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from harness.base.safe_files import write_file
from harness.results.store import StoreFull, gone, last_newline, write_problem

if TYPE_CHECKING:
    import jsonlines


class Appender:
    """Appends records to one JSONL file. A record is whole on disk when `append` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn = set_aside_torn_tail(path)
        """Place to which a torn tail of an earlier process was moved; None when there was none."""
        try:
            self._file = open(path, "ab", buffering=0, opener=_not_through_a_link)
        except OSError as error:
            raise StoreFull(f"cannot write to {path}: {write_problem(path, error)}") from error
        self.size = self._file.tell()
        self._spoilt = False
        """A torn line could not be cut off again: nothing more may be written behind it."""
        self._waiting: list[tuple[bytes, asyncio.Future[int]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def append(self, record: BaseModel) -> int:
        """Write one record durably and return its byte offset. Records that arrive during a write share the next
        fsync. Raises `StoreFull` when the line cannot be written; the file then ends at the last whole line."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((encode(record), future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        return await asyncio.shield(future)  # its line is written even if whoever waits for it is cancelled

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    offsets = await asyncio.to_thread(self._write, [line for line, _ in batch])
                except StoreFull as error:
                    for _, future in batch:
                        if not future.cancelled():
                            future.set_exception(error)
                    continue
                for (_, future), offset in zip(batch, offsets, strict=True):
                    if not future.cancelled():
                        future.set_result(offset)
        finally:
            self._writer = None

    def _write(self, lines: list[bytes]) -> list[int]:
        if self._spoilt:
            raise StoreFull(
                f"cannot write to {self.path} any more: an earlier write broke off. Run the same command again."
            )
        self._refuse_if_gone()
        try:
            data = memoryview(b"".join(lines))
            while data:  # an unbuffered write may take only a part
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            self._cut_back()
            raise StoreFull(
                f"cannot write to {self.path}: {error.strerror or errno.errorcode.get(error.errno or 0)}. "
                "Every line before is whole; make room and run the same command again."
            ) from error
        offsets = []
        for line in lines:
            offsets.append(self.size)
            self.size += len(line)
        return offsets

    def _refuse_if_gone(self) -> None:
        """Raise `StoreFull` where the file is not at its place any more: what is written there would be lost, or lie where
        nobody looks for it."""
        try:
            there: os.stat_result | None = os.lstat(self.path)
        except OSError:
            there = None
        if there is None or not os.path.samestat(there, os.fstat(self._file.fileno())):
            raise gone(self.path)

    def _cut_back(self) -> None:
        """Cut off what a failed write left behind the last whole line."""
        try:
            os.ftruncate(self._file.fileno(), self.size)
        except OSError:
            self._spoilt = True

    def close(self) -> None:
        self._file.close()


def encode(record: BaseModel) -> bytes:
    """One JSON line, newline included."""
    _BUFFER.seek(0)
    _BUFFER.truncate()
    _writer().write(record)
    return _BUFFER.getvalue()


def _dumps(record: Any) -> str:
    return record.model_dump_json() if isinstance(record, BaseModel) else json.dumps(record)


_BUFFER = io.BytesIO()


@cache
def _writer() -> jsonlines.Writer:
    """Writes to the buffer. Commands that only read never import its library."""
    import jsonlines

    return jsonlines.Writer(_BUFFER, dumps=_dumps)


def set_aside_torn_tail(path: Path) -> Path | None:
    """Move what follows the file's last newline into `torn/` beside it and cut the file there."""
    if not path.exists():
        return None
    try:
        with open(path, "r+b", opener=_not_through_a_link) as file:
            end = last_newline(file)
            size = file.seek(0, os.SEEK_END)
            if end == size:
                return None
            folder = path.parent / "torn"
            folder.mkdir(exist_ok=True)
            if folder.is_symlink():
                raise StoreFull(f"cannot write to {folder}: it is a link; remove it and run the same command again")
            kept = folder / f"{path.stem}-{end}-{time.time_ns()}.txt"
            file.seek(end)
            write_file(kept, file.read())
            file.truncate(end)
            os.fsync(file.fileno())
            return kept
    except OSError as error:
        raise StoreFull(f"cannot write to {path}: {write_problem(path, error)}") from error


def _not_through_a_link(path: str, flags: int) -> int:
    """Open what is written in a run's folder: a link there, made by whoever sent the run, must not lead elsewhere."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)
