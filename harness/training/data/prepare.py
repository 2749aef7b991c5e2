"""Episodes and process rewards to weighted sequences: the folder a strategist is trained on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.base.errors import BadInput, nearest
from harness.base.seeds import sha256_of, stable_hash
from harness.judging.rewards.returns import GAMMA, Baseline, Normalisation, discounted, returns, subtract_baseline
from harness.results.index import latest_episodes, latest_judgements, latest_process_rewards
from harness.results.leaks import overlap, task_hash
from harness.results.records import EpisodeRecord, ProcessRewardRecord
from harness.results.store import EPISODES, PROCESS_REWARDS, read_record
from harness.results.store import read_manifest as read_run
from harness.results.targets import holds_json, read_start
from harness.training.data.actions import NOTHING_PASSED, action_rows, actions_of, drawn
from harness.training.data.contexts import ChatTokens, load_tokenizer
from harness.training.data.dataset import DATASET, KIND, MANIFEST, Row, write_dataset
from harness.training.data.sequences import Layouter, PlayedStrategy, played_strategies, trained_seats
from harness.training.data.sharegpt import is_sharegpt, sharegpt_rows

FORMAT = 3
"""1 learnt from flagged rewards, too; 2 did not hold prompts against what was played."""
Layout = Literal["chat", "per-turn"]
Target = Literal["chat", "sampled"]
Keep = Literal["all", "weighted", "positive"]
Rewards = str | tuple[str, ...] | Mapping[str, str | tuple[str, ...]] | None


def _unless_default(default: Any) -> Any:
    """A field that came later and is left out of a dump while it has its default, so that trainings keep their name."""
    return Field(default, exclude_if=lambda value: value == default)


class PrepareOptions(BaseModel):
    """Options for making sequences of episodes. The defaults are EPO's released code."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    role: Literal["strategist", "actor"] = _unless_default("strategist")
    """The role whose turns are learnt from. `actor`: what the actors did, a model's, a script's or a person's; each turn is one
    row, all of equal weight, and no rewards are needed."""
    strategies: Literal["shown", "hidden"] = _unless_default("shown")
    """Treatment of the strategies in an actor's prompts."""
    episodes: Literal["all", "successful"] = _unless_default("all")
    """The episodes whose actors are imitated."""
    examples: int | None = Field(None, ge=1, exclude_if=lambda value: value is None)
    """At most so many rows, chosen by a hash of their ids; None = all."""
    layout: Layout = "chat"
    """`chat`: one sequence per episode and seat, the strategist's own chat, each strategy an assistant message with its
    return. `per-turn`: each turn's own prompt and answer; one episode's turns are one padded batch."""
    target: Target | None = None
    """Text that is trained: the strategy as the chat holds it from then on (`chat`, as EPO does), or what the model really
    wrote (`sampled`: the "Strategy:" mark included). By default `chat` in the layout chat, `sampled` per turn."""
    rewards: str | tuple[str, ...] | dict[str, str | tuple[str, ...]] | None = None
    """Label or method of the process rewards; needed where a run has several. A list: every episode with the one of them that it
    has. A mapping of runs (names of their folders): each run with its own."""
    gamma: float = Field(GAMMA, ge=0, le=1)
    """Discount of later rewards, for each of the seat's own turns."""
    normalize: Normalisation = "epo"
    """See `harness.judging.rewards.returns.returns`."""
    baseline: Baseline = "none"
    """Baseline that is taken off the normalised return; see `harness.judging.rewards.returns`."""
    keep: Keep = "all"
    """Which strategies are learnt from. `weighted`: those whose weight is not 0; the others would cost a forward pass and
    teach nothing. `positive`: those whose weight is above 0. What is kept counts as in the whole row: L stays -1/K of the sum,
    with the K of all strategies. A row of which nothing is kept is left out (and no longer counts in the mean over rows)."""
    contexts: Literal["played", "rendered"] = _unless_default("played")
    """`played`: a strategy whose prompt is not the one that is recorded is refused. `rendered`: strategies of another model than
    the one that is trained, behind prompts as this tokenizer makes them."""
    models: tuple[str, ...] | None = None
    """Only strategies of these models (names in the runs' configs); None = of every strategist."""
    max_length: int = Field(4096, ge=16)
    """Tokens of a sequence. Strategies that do not fit whole are dropped, latest first, with their returns."""
    flagged: Literal["leave-out", "keep"] = _unless_default("leave-out")
    """Rewards of episodes whose texts try to instruct the judge (`flags` of the rewards or of a judgement): what a strategy
    that pleads for its reward was given is not learnt from, unless they are kept."""
    held_out: tuple[str, ...] = ()
    """`harness.results.leaks.task_hash` of tasks that will be evaluated on: training on one of them is refused."""


@dataclass(frozen=True, slots=True)
class PreparedData:
    """Output of `prepare`."""

    folder: Path
    manifest: dict[str, Any]
    """Counts (`episodes`, `rows`, `sequences`, `strategies`, `dropped_too_long`, `drifted`, …; `Counts` and `_shares` say what
    each means), `zero_share` of the strategies' weights, `options`, `inputs` with hashes, `train_tasks` and `test_tasks` as
    hashes."""


_Made = tuple[list[Row], list[dict[str, Any]], dict[str, int]]
"""Rows, the inputs with hashes, and what was passed over."""


@dataclass(frozen=True, slots=True)
class _Seat:
    """One seat of an episode, before weights."""

    run: str
    episode: EpisodeRecord
    seat: int
    played: list[PlayedStrategy]

    @property
    def rewards(self) -> list[float]:
        return [each.reward for each in self.played if each.reward is not None]

    @property
    def group(self) -> str:
        """Whose returns are compared under `group`: the same seat of the same task."""
        return f"{self.episode.environment}/{self.episode.task_id}/{self.seat}"


def prepare(runs: Sequence[Path], options: PrepareOptions, tokenizer_path: Path, out: Path) -> PreparedData:
    """Write `out/dataset.jsonl` and `out/manifest.json`, whole or not at all; what an earlier call left there is
    replaced. The same inputs give the same bytes. `runs`: run folders, or files in EPO's ShareGPT format.

    Raises `BadInput` where a run has no process rewards (or several and `options.rewards` does not say which), where a
    task is held out, where nothing is left to train on, and where `out` holds something else."""
    if out.exists() and any(out.iterdir()) and not is_prepared(out):
        raise BadInput(f"{out} holds something else; name a new folder, or one that `harness train prepare` wrote")
    tokens = ChatTokens(load_tokenizer(tokenizer_path))
    sampled = (options.target or ("chat" if options.layout == "chat" else "sampled")) == "sampled"
    layouter = Layouter(tokens, options.layout == "chat", sampled, options.max_length, options.contexts == "played")
    played = [run for run in runs if not is_sharegpt(run)]
    rows, inputs, passed = (
        _acted(played, options, layouter) if options.role == "actor" else _proposed(played, options, layouter)
    )
    for path in (run for run in runs if is_sharegpt(run)):
        odd: list[str] = []
        rows += sharegpt_rows(path, layouter, odd)
        inputs.append({"path": path.name, "sha256": sha256_of(path), **({"left_out": odd} if odd else {})})
    if not rows:
        raise BadInput(f"nothing is left to train on in {', '.join(map(str, runs))}: {_why(passed, layouter)}")
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "options": options.model_dump(mode="json", exclude={"held_out"}),
        "tokenizer": tokenizer_hash(tokenizer_path),
        "inputs": inputs,
        **passed,
        **asdict(layouter.counts),
        **_shares(rows),
        "train_tasks": sorted(
            {task_hash(row.environment or "", row.task_id) for row in rows if row.task_id is not None}
        ),
        "test_tasks": sorted(options.held_out),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    write_dataset(out, rows, manifest)
    return PreparedData(out, manifest)


def _proposed(runs: Sequence[Path], options: PrepareOptions, layouter: Layouter) -> _Made:
    seats, inputs, passed = _read_runs(runs, options)
    _refuse_held_out(sorted({(seat.episode.environment, seat.episode.task_id) for seat in seats}), options.held_out)
    chosen = drawn(seats, options.examples, lambda seat: f"{seat.episode.episode_id}/{seat.seat}")
    return _rows(chosen, options, layouter), inputs, passed


def _acted(runs: Sequence[Path], options: PrepareOptions, layouter: Layouter) -> _Made:
    found = [actions_of(run, options.episodes == "successful", options.strategies == "shown") for run in runs]
    actions = [action for each in found for action in each.actions]
    _refuse_held_out(sorted({(action.environment, action.task_id) for action in actions}), options.held_out)
    chosen = drawn(actions, options.examples, lambda action: action.id)
    passed = {
        "episodes": sum(each.episodes for each in found),
        "episodes_left_out": sum(each.left_out for each in found),
    }
    return action_rows(chosen, layouter), [each.input for each in found], {**NOTHING_PASSED, **passed}


def is_prepared(folder: Path) -> bool:
    """True if `prepare` wrote a folder, or was killed while it did: then there are rows of ours and no manifest yet."""
    if os.path.lexists(folder / MANIFEST):
        return holds_json(folder / MANIFEST, lambda value: value.get("kind") == KIND)
    hidden = all(path.name == DATASET or path.name.startswith(".") for path in folder.iterdir())
    first = read_start(folder / DATASET)
    return hidden and (not first or first.startswith('{"id":'))


def _read_runs(
    runs: Sequence[Path], options: PrepareOptions
) -> tuple[list[_Seat], list[dict[str, Any]], dict[str, int]]:
    """The seats to be trained on, in a fixed order; the inputs with hashes; what was passed over."""
    _check_names(runs, options.rewards)
    seats: list[_Seat] = []
    inputs: list[dict[str, Any]] = []
    passed = dict(NOTHING_PASSED)
    for run in runs:
        manifest = read_run(run)
        labels = _labels(run, options.rewards)
        episodes = latest_episodes(run)
        rewarded = _rewarded(run, labels, episodes)
        flagged = frozenset[str]()
        if options.flagged == "leave-out":
            flagged = frozenset().union(*(flagged_episodes(run, label) for label in labels))
        for name in sorted(episodes):
            if name in rewarded and name in flagged:
                passed["episodes_flagged"] += 1
                continue
            if name not in rewarded:
                passed["episodes_without_rewards"] += 1
                continue
            found = _seats(run, manifest, episodes[name], rewarded[name], options)
            passed["episodes" if found else "episodes_without_strategist"] += 1
            seats += found
        used = stable_hash(
            [[episodes[name]["attempt"], name, rewarded[name]["process_id"]] for name in sorted(rewarded)]
        )
        hashes = {file: sha256_of(run / file) for file in (EPISODES, PROCESS_REWARDS)}
        label = labels[0] if len(labels) == 1 else labels
        inputs.append({"run": manifest["run"], "rewards": label, "used": used, **hashes})
    return seats, inputs, passed


def flagged_episodes(run: Path, label: str) -> frozenset[str]:
    """Ids of the episodes in which a text tries to instruct the judge of the outcome, or of the rewards of that label."""
    rewards = (row for row in latest_process_rewards(run).values() if row["label"] == label)
    return frozenset(row["episode_id"] for row in (*rewards, *latest_judgements(run).values()) if row["flags"])


def _rewarded(run: Path, labels: Sequence[str], episodes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Episode id -> its process rewards of one of the labels. Raises `BadInput` for an episode with several."""
    found: dict[str, dict[str, Any]] = {}
    for row in latest_process_rewards(run).values():
        name = row["episode_id"]
        known = row["label"] in labels and row["status"] == "scored"
        if known and row["episode_attempt"] == episodes.get(name, {}).get("attempt"):
            if name in found:
                raise BadInput(
                    f"{run}: episode {name} has process rewards {found[name]['label']!r} and {row['label']!r}; name one of them "
                    "in `rewards`"
                )
            found[name] = row
    return found


def _labels(run: Path, wanted: Rewards) -> list[str]:
    """The labels of a run's process rewards that are learnt from."""
    mine = wanted.get(run.name) if isinstance(wanted, Mapping) else wanted
    rows = latest_process_rewards(run).values()
    known = sorted({row["label"] for row in rows})
    if not known:
        raise BadInput(f"{run} has no process rewards. Give it some: harness judge {run} --process METHOD")
    names = [mine] if isinstance(mine, str) else mine
    labels = sorted({row["label"] for row in rows if names is None or {row["label"], row["method"]} & set(names)})
    if not labels:
        raise BadInput(f"{run} has no process rewards {mine!r}; it has: {', '.join(known)}")
    if len(labels) > 1 and (names is None or isinstance(mine, str)):
        raise BadInput(
            f"{run} has process rewards of {len(labels)} labels; say which with rewards=LABEL: {', '.join(labels)}"
        )
    return labels


def _check_names(runs: Sequence[Path], wanted: Rewards) -> None:
    """Raise `BadInput` for a run in `rewards` that is none of these."""
    names = [run.name for run in runs]
    other = [name for name in wanted if name not in names] if isinstance(wanted, Mapping) else []
    if other:
        raise BadInput(f"`rewards`: {other[0]!r} is none of the runs {', '.join(names)}.{nearest(other[0], names)}")


def _engines(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Models of a run whose prompts are an open chat template's (served on this machine, or at an address of one's own) -> what
    the run's config gives to that template."""
    models = (manifest.get("config") or {}).get("models") or {}
    local = ("vllm", "llamacpp", "transformers")
    return {
        name: dict(((config.get("args") or {}) | (config.get("extra_body") or {})).get("chat_template_kwargs") or {})
        for name, config in models.items()
        if config.get("provider") in local or (config.get("provider") == "openai" and config.get("base_url"))
    }


def _seats(
    run: Path, manifest: Mapping[str, Any], row: dict[str, Any], rewards: dict[str, Any], options: PrepareOptions
) -> list[_Seat]:
    episode = read_record(run / EPISODES, row["offset"], EpisodeRecord)
    record = read_record(run / PROCESS_REWARDS, rewards["offset"], ProcessRewardRecord)
    seats = [
        _Seat(manifest["run"], episode, seat, played_strategies(episode, seat, record, _engines(manifest)))
        for seat in trained_seats(episode, options.models)
    ]
    return [seat for seat in seats if seat.rewards]


def _rows(seats: Sequence[_Seat], options: PrepareOptions, layouter: Layouter) -> list[Row]:
    """Weights are made over all strategies, before any is dropped for its length (as in EPO's code)."""
    rewards = [seat.rewards for seat in seats]
    groups = [seat.group for seat in seats]
    weights = returns(rewards, options.gamma, options.normalize, groups)
    weights = subtract_baseline(weights, options.baseline, groups)
    rows = []
    for seat, raw, weight in zip(seats, rewards, weights, strict=True):
        values = discounted(raw, options.gamma)
        sequences = layouter.sequences(seat.played, _kept(list(zip(values, weight, strict=True)), options.keep))
        if sequences:
            episode = seat.episode
            rows.append(
                Row(
                    id=f"{episode.episode_id}/{seat.seat}",
                    source=seat.run,
                    environment=episode.environment,
                    task_id=episode.task_id,
                    sequences=sequences,
                )
            )
    return rows


def _kept(valued: list[tuple[float, float]], keep: Keep) -> list[tuple[float, float] | None]:
    """The (value, weight) of the strategies that are learnt from, None for the others: weights times kept / all, for the
    loss takes the mean over what it is given."""
    if keep == "all":
        return list(valued)
    stays = [weight > 0 or (keep == "weighted" and weight < 0) for _, weight in valued]
    share = sum(stays) / len(valued)
    return [(value, weight * share) if stay else None for (value, weight), stay in zip(valued, stays, strict=True)]


def _refuse_held_out(tasks: Sequence[tuple[str, str]], held_out: Sequence[str]) -> None:
    met = overlap(held_out, tasks)
    if met:
        shown = ", ".join(f"{environment}/{task}" for environment, task in met[:25])
        raise BadInput(
            f"{len(met)} of the {len(tasks)} training tasks are held out for evaluation: {shown}"
            f"{', …' if len(met) > 25 else ''}. Play other tasks for training, or evaluate on others."
        )


def _why(passed: dict[str, int], layouter: Layouter) -> str:
    counts = {**passed, "strategies too long": layouter.counts.dropped_too_long}
    return ", ".join(f"{key.replace('_', ' ')}: {count}" for key, count in counts.items())


def _shares(rows: Sequence[Row]) -> dict[str, float | int]:
    zero = [row for row in rows if all(span.weight == 0 for span in row.spans)]
    spans = [span for row in rows for span in row.spans]
    return {
        "rows": len(rows),
        "sequences": sum(len(row.sequences) for row in rows),
        "zero_rows": len(zero),
        "zero_share": round(sum(span.weight == 0 for span in spans) / len(spans), 6),
        "rows_without_task": sum(row.task_id is None for row in rows),
    }


def tokenizer_hash(path: Path) -> str:
    """Hash of what decides on tokens in a model's folder: the tokenizer and the chat template."""
    names = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
    return stable_hash({name: sha256_of(path / name) for name in names if (path / name).is_file()})
