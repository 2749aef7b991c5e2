"""Sources of arms: a run, or a baseline file."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from harness.base.errors import BadInput, nearest
from harness.compare.arms import Arm, Arms, load_run
from harness.compare.baseline import read_baseline
from harness.experiment.manifest_form import AXES


def select(text: str, judge: str | None = None) -> tuple[Arms, frozenset[str]]:
    """The arms that `PATH` or `PATH#axis=glob,axis=glob` names, and the axes it names. Raises `BadInput` for an unknown
    axis and when nothing fits."""
    whole, kept, named = whole_and_selected(text, judge)
    return Arms(whole.name, whole.path, whole.fingerprint, kept), named


def whole_and_selected(text: str, judge: str | None = None) -> tuple[Arms, dict[str, Arm], frozenset[str]]:
    """All arms of the run that a text names, those that `select` would keep, and the axes it names. Raises `BadInput` as
    `select`."""
    path, pattern = _parse(text)
    whole = load(path, judge)
    kept = {
        cell: arm
        for cell, arm in whole.arms.items()
        if all(fnmatchcase(arm.axes[axis], glob) for axis, glob in pattern.items())
    }
    if not kept:
        raise BadInput(f"{text}: no arm fits; {path} has:\n  " + "\n  ".join(whole.arms))
    return whole, kept, frozenset(pattern)


def _parse(text: str) -> tuple[Path, dict[str, str]]:
    before, mark, after = text.rpartition("#")
    if not mark or Path(text).exists():
        return Path(text), {}
    pattern = {}
    # names may hold commas: a comma parts two conditions only where an `axis=` follows
    for part in re.split(r",(?=[a-z]+=)", after):
        axis, equals, glob = part.partition("=")
        if not equals or axis not in AXES:
            raise BadInput(
                f"{text}: {part!r} is no condition; write RUN#strategist=NAME,actor=NAME with the axes "
                f"{', '.join(AXES)}.{nearest(axis, AXES)}"
            )
        pattern[axis] = glob
    return Path(before), pattern


def load(path: Path, judge: str | None = None) -> Arms:
    """Load the arms of a run's folder, or of a baseline file."""
    if path.is_file():
        return read_baseline(path, judge)
    return load_run(path, judge)
