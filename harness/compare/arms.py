"""Arms: what each cell of a run, or of a stored baseline, reached by task, seat order and repeat.

An arm keeps every planned outcome: one without a result is a row with `missing` = why and no score. It carries the facts
that another arm has to share to be compared with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.strategists import built_in_role
from harness.base.errors import BadInput
from harness.base.frame import Frame, ranks_of
from harness.compare.comparability import CATEGORIES, differences, facts_of, reader_lines, under_test
from harness.compare.trust import distrust
from harness.experiment.manifest_form import AXES, SEPARATOR
from harness.results.leaks import task_hash
from harness.results.ledger import COLUMNS, TURNS, Ledger, ledger_of
from harness.results.soundness import DAMAGED, check_run, damaged
from harness.results.store import EPISODES, MANIFEST, read_manifest
from harness.results.tables import EMPTY, clusters_of, episode_table, ledger_counts, stretches
from harness.statistics import Outcomes, Pairs, pair

if TYPE_CHECKING:
    import pandas as pd

ROW = ("task_id", "group", "order", "repeat", "seed", "goal", "success", "overall", "missing", "tokens", "usd")
EPISODE = "episode_id"
PLACE = "place"
"""Place of an episode's last attempt in the run's records."""
CLUSTERS = "clusters"
"""Marks that the task shares with tasks of other groups, a tuple of marks; None where its record does not say."""
METRICS = ("goal", "success", "overall")
KEY = ["task_id", "order", "repeat"]
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Arm:
    """The outcomes of one cell, with the facts they depend on."""

    source: str
    """Name of the run."""
    cell: str
    planned: int
    metric: Mapping[str, Any]
    """name, low, high, success_at of the goal."""
    facts: Mapping[str, Any]
    """Category -> what has to be the same (harness.compare.comparability)."""
    tested: Mapping[str, Any]
    """Facts that may differ between compared arms: strategist, prompts, code."""
    outcomes: Columns
    """The columns of `ROW`, of a run also `EPISODE` and `PLACE`, one value per episode; a missing score is NaN."""
    ledger: Ledger | None = None
    """Counts of how the models' replies were read; None in baselines that do not say."""
    runs: tuple[Columns, ...] = ()
    """Outcomes of each run of a baseline of several, whose means are `outcomes`; else empty."""
    looks: Mapping[str, int] | None = None
    """Planned tasks of each group, of a run that was looked at to end it (`harness run --until-decided`)."""
    asked: bool = True
    """False for a strategist that the experiment's `questions` leave out."""
    distrust: tuple[str, ...] = ()
    """Sentences on what the report card of the arm's judge says against it (`harness.compare.trust`)."""

    def each_run(self) -> list[Arm]:
        """The arm once for every run of a baseline of several; else nothing."""
        return [replace(self, outcomes=run, runs=()) for run in self.runs]

    def __len__(self) -> int:
        """Number of episodes in the arm."""
        return len(self.outcomes["goal"])

    @property
    def rows(self) -> pd.DataFrame:
        """The outcomes in pandas, one row per episode, for the viewer and notebooks."""
        import pandas as pd

        return pd.DataFrame({name: pd.Series(each) for name, each in self.outcomes.items()})

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Per episode whether it has an outcome that nothing is missing of."""
        missing = self.outcomes["missing"]
        nothing: NDArray[Any] = np.array([None], dtype=object)
        return np.asarray((missing == nothing) | (missing != missing), dtype=np.bool_)

    @property
    def axes(self) -> dict[str, str]:
        """environment, split, pairing, actor, strategist."""
        return dict(zip(AXES, self.cell.split(SEPARATOR), strict=True))

    @property
    def kind(self) -> str:
        """The strategist's kind."""
        return str(self.tested["strategist"]["kind"])

    @property
    def role(self) -> str:
        """reference, control, or empty: as its run says, else as its built-in kind does."""
        return self.tested["strategist"].get("role") or built_in_role(self.kind)

    @property
    def scripted(self) -> bool:
        """A scripted agent that hears of no strategy: shown beside the others, not ranked among them."""
        script = (self.facts["actor"] or {}).get("script")
        return bool(script) and not str(script).startswith("follow")

    @property
    def advised_by_a_rule(self) -> bool:
        """True where the strategist is no model: a built-in script, or a scripted model."""
        model: Mapping[str, Any] = self.tested["strategist"].get("model_config") or {}
        return self.kind.startswith("script:") or model.get("provider") == "scripted"

    @property
    def stands_apart(self) -> bool:
        """True for a reference, which is not ranked among models: a scripted agent, or a language model that a rule advises.
        A scripted actor that a rule advises is ranked, since no model plays there."""
        return self.scripted or (self.advised_by_a_rule and self._actor_is_a_model)

    @property
    def _actor_is_a_model(self) -> bool:
        model: Mapping[str, Any] = (self.facts["actor"] or {}).get("model_config") or {}
        return bool(model) and model.get("provider") != "scripted"

    def bounds(self, metric: str) -> tuple[float | None, float | None]:
        """The range of a metric; unknown for `overall`."""
        known = {"goal": (float(self.metric["low"]), float(self.metric["high"])), "success": (0.0, 1.0)}
        return known.get(metric, (None, None))


@dataclass(frozen=True, slots=True)
class Arms:
    """All arms of a run, or of a baseline file."""

    name: str
    path: Path
    fingerprint: str
    """The same for a run and its copy."""
    arms: Mapping[str, Arm]
    """Arms by cell."""
    more_fingerprints: tuple[str, ...] = ()
    """Fingerprints of the further runs of a baseline of several."""


def load_run(folder: Path, judge: str | None = None) -> Arms:
    """The arms of a run's folder. `judge`: label of the judge whose scores are taken; the run's own when left out."""
    check_run(folder)
    try:
        return arms_of(folder, episode_table(folder, judge), judge)
    except DAMAGED as error:
        raise damaged(folder, error) from error


def arms_of(folder: Path, table: Frame, judge: str | None = None, name: str | None = None) -> Arms:
    """The arms of a run whose `harness.results.tables.episode_table` is `table`; `name`: what the run is called, where not as it
    calls itself."""
    manifest = read_manifest(folder)
    name = name or str(manifest["run"])
    arms = {}
    against = distrust(folder, judge or manifest["judge"]) if len(table) and table.array("needs_judge").any() else []
    named = manifest["config"].get("questions") or []
    table = table.only(USED).take(_in_order(table)) if len(table) else table
    places, outcomes = stretches(table), _columns(table) if len(table) else {}
    for cell, entry in manifest["cells"].items():
        place = places.get(cell, slice(0, 0))
        here = table.only(NEEDED).part(place) if len(table) else EMPTY
        needs_judge = bool(len(table) and here.array("needs_judge").any())
        metric = manifest["environments"][cell.split(SEPARATOR)[0]]["metric"]
        facts = facts_of(manifest, cell, (judge or manifest["judge"]) if needs_judge else None)
        arms[cell] = Arm(
            name,
            cell,
            entry["planned"],
            metric,
            facts,
            under_test(manifest, cell),
            _rows({name: values[place] for name, values in outcomes.items()}, metric["success_at"]),
            ledger_of(ledger_counts(here)),
            looks=_looks(manifest, cell),
            asked=not named or cell.split(SEPARATOR)[4] in named,
            distrust=tuple(against) if needs_judge else (),
        )
    return Arms(name, folder, fingerprint(folder), arms)


def _looks(manifest: Mapping[str, Any], cell: str) -> Mapping[str, int] | None:
    """The planned tasks of each group of a cell's split, where the run was looked at."""
    if "looks" not in manifest:
        return None
    found: Mapping[str, int] = manifest["looks"]["groups"].get(SEPARATOR.join(cell.split(SEPARATOR)[:2]), {})
    return found


def fingerprint(folder: Path) -> str:
    """A hash that a run shares with its copies and with nothing else: its manifest and the start of its records, which
    hold times."""
    digest = hashlib.sha256((folder / MANIFEST).read_bytes())
    if (folder / EPISODES).exists():
        with open(folder / EPISODES, "rb") as file:
            digest.update(file.read(1 << 16))
    return digest.hexdigest()


def refuse_copies(runs: list[Path]) -> None:
    """Raise `BadInput` when a run is given twice, even as a copy: counted double it would look certain."""
    seen: dict[str, Path] = {}
    for run in runs:
        mark = fingerprint(run)
        if mark in seen:
            raise BadInput(f"{run} is the same run as {seen[mark]}; count every run once")
        seen[mark] = run


TEXTS = ("task_id", "group", "missing", EPISODE, CLUSTERS)
NEEDED = ("needs_judge", "n_turns", *(name for name in COLUMNS if name != TURNS))
"""Columns of an arm's episodes beside its outcomes."""
USED = (
    *(
        "cell",
        "task_id",
        "group",
        "missing",
        EPISODE,
        CLUSTERS,
        "order",
        "repeat",
        "seed",
        "goal",
        "success",
        "overall",
    ),
    *("usd", "prompt_tokens", "completion_tokens", "offset", *NEEDED),
)
"""All columns that arms are made of."""


def _columns(table: Frame) -> dict[str, NDArray[Any]]:
    """The columns of `ROW`, `EPISODE` and `PLACE` over a whole run's episodes. Texts are plain objects: they are looked at one by
    one. `success` is what was verified, NaN where that is not known."""
    numbers = ("goal", "success", "overall", "usd")
    found: dict[str, NDArray[Any]] = {name: table.objects(name) for name in TEXTS if name != CLUSTERS}
    found |= {name: table.array(name) for name in ("order", "repeat", "seed")}
    found |= {name: table.floats(name) for name in numbers}
    clusters = clusters_of(table)
    found[CLUSTERS] = np.full(len(table), None, dtype=object) if clusters is None else clusters
    found["tokens"] = table.floats("prompt_tokens") + table.floats("completion_tokens")
    found[PLACE] = np.argsort(np.argsort(table.array("offset"))).astype(float)
    return {name: found[name] for name in (*ROW, EPISODE, PLACE, CLUSTERS)}


def _rows(outcomes: Columns, success_at: float) -> Columns:
    """One arm's outcomes; an episode that nobody verified is a success at `success_at`."""
    if not outcomes or not len(outcomes["goal"]):
        return {name: np.zeros(0, object if name in TEXTS else float) for name in (*ROW, EPISODE, PLACE, CLUSTERS)}
    goal, verified = outcomes["goal"], outcomes["success"]
    success = np.where(np.isnan(verified), (goal >= success_at).astype(float), verified)
    return {**outcomes, "success": np.where(np.isnan(goal), np.nan, success)}


def _in_order(table: Frame) -> NDArray[np.intp]:
    """The rows by cell, and in it by task, order and repeat: arms on the same tasks then lie side by side."""
    tasks, cells = table.texts("task_id"), table.texts("cell").codes
    return np.lexsort((table.array("repeat"), table.array("order"), ranks_of(tasks.values)[tasks.codes], cells))


def arm_differences(a: Arm, b: Arm) -> dict[str, list[str]]:
    """Category -> lines that show how two arms differ in what has to be the same."""
    found = {"tasks": _task_lines(a, b), "seeds": _all_seed_lines(a, b), "serving": _serving_lines(a, b)}
    for category in CATEGORIES:
        if category not in ("tasks", "seeds", "serving"):
            found[category] = [
                *differences(a.facts[category], b.facts[category], category),
                *(reader_lines(a.facts, b.facts) if category == "protocol" else []),
            ]
    return {category: found[category] for category in CATEGORIES if found[category]}


def _serving_lines(a: Arm, b: Arm) -> list[str]:
    """Only where both strategists are weights that the harness serves: then the weights are what is compared."""
    one, other = a.facts.get("serving"), b.facts.get("serving")
    return list(differences(one, other, "serving")) if one and other else []


def _task_lines(a: Arm, b: Arm) -> list[str]:
    """The tasks only one of them plans; by id where a row says it."""
    ids = _ids(a) | _ids(b)
    lines = []
    for arm, other in ((a, b), (b, a)):
        only = sorted(ids.get(mark, f"hash {mark}") for mark in _task_hashes(arm) - _task_hashes(other))
        lines += [f"tasks: {task} is only in {arm.source}" for task in only]
    return lines


def _ids(arm: Arm) -> dict[str, str]:
    name = arm.facts["protocol"]["name"]
    return {task_hash(name, task): task for task in arm.outcomes["task_id"]}


def _task_hashes(arm: Arm) -> set[str]:
    """Task hashes of the plan; those of the rows in runs whose manifest does not list the plan's."""
    planned = arm.facts["tasks"]
    return set(_ids(arm)) if planned is None else set(planned)


def _all_seed_lines(a: Arm, b: Arm) -> list[str]:
    """Differences in the run's seed, its repeats, and the episodes' seeds. A baseline of several runs has several seeds, and
    what is held against it may have any."""
    one, other = a.facts["seeds"], b.facts["seeds"]
    if a.runs or b.runs:
        return list(differences(one["repeats"], other["repeats"], "seeds.repeats"))
    return [*differences(one, other, "seeds"), *_seed_lines(a, b)]


def _seed_lines(a: Arm, b: Arm) -> list[str]:
    if same_keys(a, b) and np.array_equal(a.outcomes["seed"], b.outcomes["seed"]):
        return []
    seeds = dict(zip(keys_of(b), b.outcomes["seed"].tolist(), strict=True))
    both = (
        (key, seed, seeds[key])
        for key, seed in zip(keys_of(a), a.outcomes["seed"].tolist(), strict=True)
        if key in seeds
    )
    return [
        f"seeds: task {task}, repeat {repeat}: {one} -> {other}"
        for (task, _, repeat), one, other in both
        if one != other
    ]


def keys_of(arm: Arm) -> list[tuple[str, int, int]]:
    """Task, order and repeat of every episode."""
    return list(zip(*(arm.outcomes[name].tolist() for name in KEY), strict=True))


def align(a: Arm, b: Arm, metric: str = "goal", common: bool = False) -> Pairs:
    """Two arms side by side by task, seat order and repeat (hence seed), clustered by the environment's own groups.

    What only one arm has, and what was planned and has no row in either, is a pair without a value. `common` leaves
    out what is not planned in both: for arms whose plans are allowed to differ (`leaves_out`).
    """
    if same_keys(a, b):
        groups_of = a.outcomes["group"]
        places = np.arange(len(groups_of))
        return pair(*(Outcomes(groups_of, places, arm.outcomes[metric], clusters_in(arm)) for arm in (a, b)))
    left, right = _keyed(a), _keyed(b)
    unknown = 0 if common else max(0, min(a.planned, b.planned) - len({*left, *right}))
    kept = _planned_in_both(a, left, b) | _planned_in_both(b, right, a) if common else None
    return pair(_outcomes(a, left, metric, unknown, kept), _outcomes(b, right, metric, unknown, kept))


def leaves_out(a: Arm, b: Arm, allowed: Collection[str]) -> bool:
    """True if a comparison leaves out what only one arm planned: their tasks or repeats differ, and are allowed to. Where both
    planned the same, an outcome that one lacks is missing."""
    other = _task_hashes(a) != _task_hashes(b) or _repeats(a) != _repeats(b)
    return other and bool({"tasks", "seeds"} & set(allowed))


def _repeats(arm: Arm) -> int:
    return int(arm.facts["seeds"]["repeats"])


def _planned_in_both(arm: Arm, keys: list[str], other: Arm) -> set[str]:
    """Those of the arm's keys that the other arm planned as well."""
    name, planned, repeats = arm.facts["protocol"]["name"], _task_hashes(other), _repeats(other)
    known = {task: task_hash(name, task) in planned for task in set(arm.outcomes["task_id"].tolist())}
    each = zip(keys, keys_of(arm), strict=True)
    return {key for key, (task, _, repeat) in each if known[task] and repeat < repeats}


def same_keys(one: Arm, other: Arm) -> bool:
    """True if two arms have the very same tasks, orders and repeats, each once, and all that was planned of them."""
    if len(one) != len(other) or not len(one) or max(one.planned, other.planned) > len(one):
        return False
    alike = all(np.array_equal(one.outcomes[key], other.outcomes[key]) for key in [*KEY, "group"])
    return alike and (_ascending(one) or len(set(keys_of(one))) == len(one))


def _ascending(arm: Arm) -> bool:
    """True if every episode's task, order and repeat come after those of the one before, as a run's do: then none comes twice."""
    after, same = np.zeros(len(arm) - 1, dtype=bool), np.ones(len(arm) - 1, dtype=bool)
    for values in (arm.outcomes[name] for name in KEY):
        after |= same & np.asarray(values[1:] > values[:-1], dtype=bool)
        same &= np.asarray(values[1:] == values[:-1], dtype=bool)
    return bool(after.all())


def _keyed(arm: Arm) -> list[str]:
    """A key of task, order and repeat per episode. Raises `BadInput` when one comes twice."""
    heads = {name: json.dumps([name])[:-1] for name in set(arm.outcomes["task_id"].tolist())}
    keys = [f"{heads[task]}, {order}, {repeat}]" for task, order, repeat in keys_of(arm)]
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise BadInput(f"{arm.source}, {arm.cell}: {key} (task, order, repeat) comes more than once")
        seen.add(key)
    return keys


def _outcomes(arm: Arm, keys: list[str], metric: str, unknown: int, kept: set[str] | None) -> Outcomes:
    """The arm's values by group and key, those that are `kept` or all; with so many `unknown` ones behind them."""
    mine = np.array([kept is None or key in kept for key in keys], dtype=bool)
    more = np.array([f"not played {number}" for number in range(unknown)], dtype=object)
    groups = np.concatenate([arm.outcomes["group"][mine], more])
    values = np.concatenate([arm.outcomes[metric][mine], np.full(unknown, np.nan)])
    told = clusters_in(arm)
    unknown_clusters = np.full(unknown, None, dtype=object)
    crossed = None if told is None else np.concatenate([told[mine], unknown_clusters])
    return Outcomes(groups, np.concatenate([np.array(keys, dtype=object)[mine], more]), values, crossed)


def clusters_in(arm: Arm) -> NDArray[Any] | None:
    """The clusters of an arm's episodes beside their groups; None where no record says any (older runs, baseline files)."""
    found = arm.outcomes.get(CLUSTERS)
    return None if found is None or all(each is None for each in found) else found
