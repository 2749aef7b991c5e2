"""A run's folder on disk: `manifest.json`, `episodes.jsonl`, `judgements.jsonl`, and a small index beside the episodes.

One process at a time writes to a folder (flock; `harness.results.appender` adds the lines). The plan minus the file is the
remaining work: there is no other status.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from harness.base.errors import BadInput, Damaged, HarnessError, Newer
from harness.base.safe_files import write_file
from harness.experiment.manifest_form import manifest_problem

RecordT = TypeVar("RecordT", bound=BaseModel)

SCHEMA_VERSION = 1
"""Version of every record (`harness.results.records`)."""
EPISODES = "episodes.jsonl"
JUDGEMENTS = "judgements.jsonl"
PROCESS_REWARDS = "process_rewards.jsonl"
MANIFEST = "manifest.json"
CALLS = "calls.jsonl"
FORECAST = "forecast.json"
MANIFEST_KEYS = ("run", "created_at", "identity", "config", "cells", "environments", "judge", "prompts", "data")
"""Keys every reader of a manifest may count on."""


class StoreFull(HarnessError):
    """A line could not be written (disk full, size limit, read-only). What was written before is whole."""


def gone(path: Path) -> StoreFull:
    """The error for a file of a run that was there when the run began."""
    return StoreFull(
        f"{path} was moved or deleted under the run, which ends here. Put the folder {path.parent} back where it was and run "
        "the same command again: what is in it counts."
    )


def write_problem(path: Path, error: OSError) -> str:
    """Reason a path could not be opened for writing, in words."""
    return "it is a link, which is not followed" if path.is_symlink() else str(error.strerror or error)


def last_newline(file: Any, block: int = 1 << 16) -> int:
    """Offset just after the last newline; 0 when there is none."""
    position = file.seek(0, os.SEEK_END)
    while position > 0:
        start = max(0, position - block)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0


def scan(path: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """(byte offset, line) of every whole line from `start` on; a torn tail is left out."""
    if not path.exists():
        return
    refuse_irregular(path)
    with open(path, "rb") as file:
        file.seek(start)
        offset = start
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield offset, line
            offset += len(line)


def decode(path: Path, offset: int, line: bytes) -> dict[str, Any]:
    """The line's JSON object. Raises `BadInput` naming file, byte offset and line number."""
    try:
        value = from_json(line, cache_strings="keys")  # twice as fast as json.loads on records
    except ValueError:
        try:
            value = json.loads(
                line.decode("utf-8", "surrogatepass")
            )  # what only this one reads (half characters), and the words of the error
        except (ValueError, RecursionError) as error:
            raise unreadable(path, offset, str(error)) from None
    if not isinstance(value, dict):
        raise unreadable(path, offset, "not a JSON object")
    if is_newer(value):  # only then is the line's number worth counting
        refuse_newer(value, f"{path}, line {_line_number(path, offset)},")
    return value


def is_newer(value: Mapping[str, Any], known: int = SCHEMA_VERSION) -> bool:
    """True if a stored object says that it has a later form than this version reads."""
    version = value.get("schema_version", known)
    return type(version) is int and version > known


def refuse_newer(value: Mapping[str, Any], what: str, known: int = SCHEMA_VERSION) -> None:
    """Raise `Newer` for what says that it has a later form than this version reads."""
    if is_newer(value, known):
        raise Newer(
            f"{what} was written by a newer version of strategist-harness (schema_version {value['schema_version']}; this one "
            f"reads up to {known}); update strategist-harness to read it"
        )


def refuse_irregular(path: Path) -> None:
    """Raise `Damaged` for what is no file (a FIFO, a device, a folder), which reading could wait for without end."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        raise Damaged(f"{path} cannot be read: it is {_sort_of(mode)}, not a file; put the file back, or remove it")


def _sort_of(mode: int) -> str:
    sorts = {stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
    return sorts.get(stat.S_IFMT(mode), "a device")


def unreadable(path: Path, offset: int, problem: str) -> Damaged:
    """The error for a record that cannot be used."""
    return Damaged(
        f"{path}, line {_line_number(path, offset)} (byte {offset}) cannot be read: {problem}. `harness repair "
        f"{path.parent}` sets that line aside; an episode that was only there is then played again by the next `harness run`."
    )


def _line_number(path: Path, offset: int) -> int:
    number = 1
    with open(path, "rb") as file:
        while offset > 0 and (part := file.read(min(offset, 1 << 20))):
            number += part.count(b"\n")
            offset -= len(part)
    return number


def read_line(path: Path, offset: int) -> dict[str, Any]:
    """The record at a byte offset, as plain JSON. Raises `StoreFull` where the file is gone."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return decode(path, offset, file.readline())
    except FileNotFoundError:
        raise gone(path) from None


def read_record(path: Path, offset: int, kind: type[RecordT]) -> RecordT:
    """The record at a byte offset. Raises `BadInput` when it does not fit the schema this version reads."""
    value = read_line(path, offset)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise unreadable(path, offset, f"{place}: {first['msg']}") from None


def refuse_unwritable(folder: Path) -> None:
    """Raise `StoreFull` for a file of the folder that this process may not write, before anything is asked or played."""
    for path in (folder / name for name in (EPISODES, JUDGEMENTS, CALLS)):
        if path.is_symlink():
            raise StoreFull(f"cannot write to {path}: it is a link, which is not followed")
        if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
            raise StoreFull(f"cannot write to {path}: {'it is a folder' if path.is_dir() else 'permission denied'}")


def refuse_no_folder(folder: Path) -> None:
    """Raise `BadInput` for a folder that can neither be written to nor made."""
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir():
        raise BadInput(f"cannot make the run folder {folder}: {os.strerror(errno.ENOTDIR)}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise BadInput(f"cannot make the run folder {folder}: {os.strerror(errno.EACCES)}")


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write `manifest.json` so that it is whole or absent. Raises `BadInput` for what no reader could use."""
    problem = manifest_problem(manifest)
    if problem is not None:
        raise BadInput(
            f"the manifest of {folder} cannot be written: {problem}. An environment, judge or model of a plug-in gave a "
            "value of the wrong type."
        )
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a small file durably, so that it is whole or as it was before. Raises `StoreFull`."""
    try:
        write_file(path, text, durable=True)
    except OSError as error:
        raise StoreFull(f"cannot write {path}: {error.strerror}") from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a run's manifest. Raises `BadInput` when the folder is no run or its manifest is damaged."""
    path = folder / MANIFEST
    refuse_irregular(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{folder} is not a run: it has no {MANIFEST}. Runs lie under results/.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _no_manifest(path, str(error)) from error
    if not isinstance(value, dict):
        raise _no_manifest(path, "not a JSON object")
    refuse_newer(value, str(path))
    missing = [key for key in MANIFEST_KEYS if key not in value]
    problem = f"no manifest of ours, it lacks {', '.join(missing)}" if missing else manifest_problem(value)
    if problem is not None:
        raise _no_manifest(path, problem)
    return value


def _no_manifest(path: Path, problem: str) -> Damaged:
    return Damaged(
        f"{path} cannot be read: {problem}. Put it back from a copy: what the run was made from stands there alone, so that "
        "`harness repair` cannot restore it."
    )
