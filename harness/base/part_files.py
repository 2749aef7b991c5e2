"""Parts that live in one Python file beside the experiment: `./bargain.py:Bargain`.

Within the harness such a part is called `bargain.py:Bargain@9c1e5d2a7f30`: the file's name, the part's, and a hash of the file's
content, so that an edited file is another part. Only an experiment file or the command line makes a file known; what a run's
folder says does not, so that reading somebody's run executes nothing. The content goes to workers with the experiment.
"""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from harness.base.errors import BadInput, nearest

_WRITTEN = re.compile(r"(?P<path>.+\.py):(?P<part>[A-Za-z_]\w*)")
_KNOWN = re.compile(r"(?P<file>[^/\\]+\.py):(?P<part>[A-Za-z_]\w*)@(?P<hash>[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class Source:
    """One file's path, as messages name it, and its text."""

    path: str
    text: str

    @property
    def hash(self) -> str:
        """First 12 hex digits of the text's SHA-256."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:12]


_SOURCES: dict[str, Source] = {}
"""By hash: what this process knows."""


def in_file(name: str) -> bool:
    """True for the full name of a part that lives in a file."""
    return _KNOWN.fullmatch(name) is not None


def shown_name(name: str) -> str:
    """Name of a part in results: `Bargain` for one in a file, else its full name."""
    found = _KNOWN.fullmatch(name)
    return name if found is None else found["part"]


def find_part(written: str, folder: Path) -> str:
    """Read the file that `PATH.py:NAME` names, relative to `folder`, and return the part's full name; any other name as it is.
    Raises `BadInput` when there is no such file."""
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return written
    from harness.base.yamltext import text_of

    path = folder / found["path"]
    try:
        source = Source(str(path), text_of(path))
    except FileNotFoundError:
        raise BadInput(f"there is no file {path}; the path is relative to the experiment file") from None
    _SOURCES[source.hash] = source
    return f"{path.name}:{found['part']}@{source.hash}"


def find_again(names: Iterable[str], folder: Path, below: bool = False) -> None:
    """Make the files of a stored run's parts known, where they lie in `folder` as they were when it was made; `below`: or in a
    folder of it."""
    for name in names:
        found = _KNOWN.fullmatch(name)
        if found is None or found["hash"] in _SOURCES:
            continue
        for path in sorted(folder.rglob(found["file"])) if below else [folder / found["file"]]:
            if path.is_file():
                find_part(f"{found['file']}:{found['part']}", path.parent)


def unknown_files(names: Iterable[str]) -> list[str]:
    """The files of these parts that are not known here, each with its content's hash: `judge.py (f3181c3195e5)`."""
    every = [found for name in names if (found := _KNOWN.fullmatch(name)) is not None]
    return list(dict.fromkeys(f"{each['file']} ({each['hash']})" for each in every if each["hash"] not in _SOURCES))


def sources_of(names: Iterable[str]) -> list[dict[str, str]]:
    """The files behind those of the names that live in one, as plain JSON for another process (`learn_sources`)."""
    hashes = dict.fromkeys(found["hash"] for name in names if (found := _KNOWN.fullmatch(name)))
    return [{"path": _SOURCES[each].path, "text": _SOURCES[each].text} for each in hashes if each in _SOURCES]


def learn_sources(sources: Iterable[dict[str, str]]) -> None:
    """Make the files of another process known here."""
    for each in sources:
        source = Source(**each)
        _SOURCES[source.hash] = source


def load_part(name: str, kind: str) -> Any:
    """The part behind a full name. Raises `BadInput` when its file is not here, does not load, or does not have it; `kind` says
    what it is in messages."""
    found = _KNOWN.fullmatch(name)
    assert found is not None
    source = _SOURCES.get(found["hash"])
    if source is None:
        raise BadInput(
            f"the {kind} {found['part']!r} is in the file {found['file']} with the content {found['hash']}, which is not known "
            "here: run the command where that file lies, as it was when the run was made."
        )
    module = _module(source, kind)
    try:
        return getattr(module, found["part"])
    except AttributeError:
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        said = f"{source.path} has no {found['part']!r}; it has: {', '.join(own) or 'nothing of its own'}."
        raise BadInput(said + nearest(found["part"], own)) from None


class _Loader(InspectLoader):
    """Imports a module from a text that is already here: on a worker the file is not."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:
        """The file's text."""
        return self._source.text

    def get_code(self, fullname: str) -> CodeType:
        """The compiled text, with the file's path in its tracebacks."""
        return self.source_to_code(self._source.text, self._source.path)


@cache
def _module(source: Source, kind: str) -> ModuleType:
    """The file as a module, executed once per process."""
    loader = _Loader(source)
    module = module_from_spec(ModuleSpec(f"part_in_a_file_{source.hash}", loader, origin=source.path))
    module.__file__ = source.path
    sys.modules[module.__name__] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        line = _line(error, source.path)
        place = source.path if line is None else f"{source.path}, line {line}"
        raise BadInput(f"the {kind} in {place} does not load: {type(error).__name__}: {error}") from error
    return module


def _line(error: BaseException, path: str) -> int | None:
    """The line of the file at which it failed."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == path), None)
