"""Which goals make a split, and the paper's index lists with their overlap."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import overload

from environments.base import Task
from environments.webshop.goals.goals import GoalTable, goal_table
from environments.webshop.options import Overlap
from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.seeds import stable_hash

FULL_HUMAN_GOALS = 12_087
"""Human goals of the full catalogue: what the index lists of the original and the paper count."""

RANGES: Mapping[str, tuple[int, int | None]] = {
    "all": (0, None),
    "test": (0, 500),
    "eval": (500, 1500),
    "train": (1500, None),
    "verl-agent-train": (500, None),
}
"""The original's ranges of goal indices (its baselines' test, evaluation and training goals)."""

EPO_LISTS: Mapping[str, str] = {
    "epo-test": "test_indices",
    "epo-test-500": "test_indices_500",
    "epo-train": "train_indices",
}
"""Split -> the name of the paper's list."""

SPLITS: Mapping[str, str] = {
    "all": "every goal of the imported catalogue",
    "test": "goals 0 to 499, the original's test set",
    "eval": "goals 500 to 1499, the original's evaluation set",
    "train": "goals from 1500 on, the original's training set",
    "verl-agent-train": "goals from 500 on, which verl-agent trains on (it tests on `test`)",
    "epo-test": "the paper's 200 test goals (human goals of the full catalogue)",
    "epo-test-500": "the paper's other list of 500 test goals; shares none with its training list",
    "epo-train": "the paper's 1,824 training goals; 21 of them are test goals too, so say how to treat them",
    "builtin-train": "goals on four fifths of the built-in catalogue's products",
    "builtin-test": "goals on the other fifth",
    "builtin": "the same goals as builtin-test",
}

BUILTIN = ("builtin-train", "builtin-test", "builtin")


@cache
def epo_indices(name: str) -> tuple[int, ...]:
    """One of the paper's lists of goal indices, in its order."""
    text = files("environments.webshop").joinpath("epo_indices.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)[name])


def epo_overlap() -> frozenset[int]:
    """The goals that are in the paper's test and training lists."""
    return frozenset(epo_indices("test_indices")) & frozenset(epo_indices("train_indices"))


def indices(split: str, table: GoalTable, overlap: Overlap) -> Sequence[int]:
    """The goal indices of a split, in their order. Raises `BadInput` where the goals do not fit the split."""
    if split in EPO_LISTS:
        return _epo(split, table, overlap)
    if split in BUILTIN:
        return [i for i in range(len(table)) if is_test_product(_asin(table, i)) == (split != "builtin-train")]
    first, last = RANGES[split]
    found = range(first, min(len(table), last) if last is not None else len(table))
    if not found:
        raise BadInput(_no_goals(split, first, table))
    return found


def _no_goals(split: str, first: int, table: GoalTable) -> str:
    """The refusal of a split that begins behind the last goal, with what there is instead."""
    begins = f"begins at goal {first}, but" if first else "has no goals:"
    name = table.catalogue.folder.name
    said = f"webshop: split {split!r} {begins} the catalogue {name!r} has {counted(len(table), f'{table.kind} goal')}."
    others = goal_table(table.catalogue, "synthetic", table.seed) if table.kind == "human" else ()
    if len(others) > first:
        said += f" Play its {len(others):,} synthetic goals with options: {{goals: synthetic}},"
    else:
        said += " Use the split 'all',"
    return f"{said} or import the full catalogue with the goals that people wrote (`harness data fetch webshop`)."


def shortage(split: str, table: GoalTable) -> str | None:
    """One line where a split has fewer goals than in the full catalogue: `test` of the sample of 1,000 products is 13 goals, not
    500. None where it has all of them."""
    if split not in RANGES or table.kind != "human":
        return None
    first, last = RANGES[split]
    published = min(FULL_HUMAN_GOALS, last or FULL_HUMAN_GOALS) - first
    here = max(0, min(len(table), last or len(table)) - first)
    if here >= published:
        return None
    return (
        f"{counted(here, 'goal')} here, {published:,} in the published data: the catalogue {table.catalogue.folder.name!r} has "
        f"{len(table):,} of the {FULL_HUMAN_GOALS:,} goals that people wrote. Figures on it are no figures on the published split"
    )


def _epo(split: str, table: GoalTable, overlap: Overlap) -> Sequence[int]:
    shared = epo_overlap()
    if split == "epo-train" and overlap == "refuse":
        raise BadInput(
            f"webshop: {len(shared)} goals of the paper's training list are in its test list too, so training on it "
            "leaks into epo-test. Set overlap: drop to leave them out, or overlap: allow to repeat what the paper did."
        )
    if table.kind != "human" or len(table) != FULL_HUMAN_GOALS:
        raise BadInput(
            f"webshop: the paper's lists number the {FULL_HUMAN_GOALS:,} human goals of the full catalogue, but "
            f"{table.catalogue.folder.name!r} has {counted(len(table), f'{table.kind} goal')}. Import the full product files "
            "and set goals: human."
        )
    listed = epo_indices(EPO_LISTS[split])
    if split == "epo-train" and overlap == "drop":
        return [index for index in listed if index not in shared]
    return listed


def is_test_product(asin: str) -> bool:
    """True if the goals of a built-in product are for testing: one product in five, by a hash of its id."""
    return int(stable_hash("webshop-builtin-split", asin)[:8], 16) % 5 == 0


def _asin(table: GoalTable, index: int) -> str:
    return table.catalogue.card(table.product_number(index))[0]


class GoalTasks(Sequence[Task]):
    """The tasks of a split, made when asked for: synthetic goals of the full catalogue count in millions."""

    def __init__(self, split: str, catalogue: str, table: GoalTable, chosen: Sequence[int]) -> None:
        self._split = split
        self._catalogue = catalogue
        self._table = table
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, place: int) -> Task: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Task]: ...

    def __getitem__(self, place: int | slice) -> Task | Sequence[Task]:
        if isinstance(place, slice):
            return GoalTasks(self._split, self._catalogue, self._table, self._chosen[place])
        index = int(self._chosen[place])
        name = self._table.name(index)
        data = {"goal": name, "index": index, "catalogue": self._catalogue}
        return Task(id=name, split=self._split, group=name.split(":")[1], data=data)

    def __iter__(self) -> Iterator[Task]:
        return (self[place] for place in range(len(self)))

    def where(self, keep: Callable[[int], bool]) -> GoalTasks:
        """The tasks whose goal index passes."""
        return GoalTasks(self._split, self._catalogue, self._table, [i for i in self._chosen if keep(i)])
