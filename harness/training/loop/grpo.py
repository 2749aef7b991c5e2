"""GRPO (Shao et al. 2024) beside EPO: what TRL's trainer is handed, and what it plays.

A round is what one optimizer step learns from: `play.repeats` episodes (a group) of each of its tasks, played by the
harness's own runner with the weights as they are. An episode's seat is one sample; its advantage is its reward's distance
from the group's mean, in standard deviations. TRL knows a sample as one prompt and one completion, our strategies are
separate prompts (`per-turn`) or stretches of a growing chat, so a sample is one or several sequences here, and all of its
sampled tokens carry the sample's advantage. The trainer (`grpo_trainer`) is the part that needs torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from environments import make
from environments.base import Task
from harness.base.counts import counted, is_or_are
from harness.base.errors import BadInput
from harness.experiment.manifest_form import SEPARATOR
from harness.judging.rewards.returns import discounted
from harness.results.index import Row, is_unplayed, latest_episodes, latest_process_rewards
from harness.results.records import EpisodeRecord, ProcessRewardRecord
from harness.results.store import EPISODES, PROCESS_REWARDS, read_manifest, read_record, write_whole
from harness.training.data.contexts import ChatTokens
from harness.training.data.dataset import TokenSequence
from harness.training.data.sequences import Counts, Layouter, strategies_of, trained_seats
from harness.training.loop.config import TrainConfig
from harness.training.loop.experiments import Tasks, iteration_tasks

ROUNDS = "rounds"
"""Folder in a fit's with a small file per round: rewards and counts."""
Play = Callable[[int, Mapping[str, list[Task]], Mapping[str, Any]], Path]
"""Number of the round, tasks by environment (as shown), config of the model that serves the weights -> the run's folder."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Task and seat that a group plays."""

    environment: str
    """As shown."""
    task: Task
    seat: int

    @property
    def key(self) -> str:
        return f"{self.environment}/{self.task.id}/{self.seat}"


def prompts_of(config: TrainConfig, tasks: Sequence[Tasks], iteration: int) -> list[Prompt]:
    """Everything an iteration may learn from, in the order it is played; a task's seats stand together, so that they share
    episodes."""
    return [
        Prompt(each.part.shown, task, seat)
        for each in tasks
        if each.part.train is not None
        for task in iteration_tasks(config, each, iteration)
        for seat in range(make(each.part.name, each.part.options).seats)
    ]


def rounds_of(config: TrainConfig, prompts: Sequence[Prompt]) -> list[list[Prompt]]:
    """The prompts of every round: they take turns, and none comes twice in a round. As many rounds as `fit.epochs` passes
    over the prompts take, or `fit.max_steps` optimizer steps. Raises `BadInput` when a step holds more groups than there are
    prompts."""
    step = config.fit.batch * config.fit.accumulation
    groups = step // config.play.repeats
    if groups > len(prompts):
        raise BadInput(
            f"`fit.batch` × `fit.accumulation` = {step} episodes are {groups} groups of `play.repeats` = "
            f"{config.play.repeats}, but there {is_or_are(len(prompts))} only {counted(len(prompts), 'training task')} "
            "(seats counted) to play them on; "
            "make the step smaller or the groups larger"
        )
    if config.fit.max_steps is not None:
        count = math.ceil(config.fit.max_steps / config.method.updates)
    else:
        count = math.ceil(config.fit.epochs * len(prompts) / groups)
    turns = range(count * groups)
    ordered = [prompts[turn % len(prompts)] for turn in turns]
    return [ordered[first : first + groups] for first in range(0, len(ordered), groups)]


def check_outcomes(config: TrainConfig, tasks: Sequence[Tasks]) -> None:
    """Raise `BadInput` where outcomes are the rewards and nobody gives them."""
    for each in tasks:
        if config.method.reward != "outcome" or config.judge is not None or not each.train:
            continue
        if make(each.part.name, each.part.options).reset(each.train[0], 0).judge_background() is not None:
            raise BadInput(
                f"`method.reward: outcome`: a judge scores the episodes of {each.part.shown}; name its model as `judge`, or "
                "learn from process rewards (`method.reward: process`)"
            )


def serving_config(start: Mapping[str, Any], address: str, revision: str, learnt: Path | None) -> dict[str, Any]:
    """The config of the model that serves the weights in training: the start's own, where that is served in-process, too."""
    alike = start.get("provider") == "transformers"
    kept = dict(start) if alike else {key: start[key] for key in ("max_tokens", "price") if key in start}
    args = dict(kept.get("args") or {})
    for key in ("dtype", "device", "adapter"):  # the weights are where and as the trainer holds them
        args.pop(key, None)
    kept.pop("adapter", None)
    kept |= {"provider": "transformers", "model": address, "revision": revision, "args": args, "tokens": True}
    kept.pop("trained_on", None)
    return kept | ({"trained_on": str(learnt)} if learnt is not None else {})


@dataclass(frozen=True, slots=True)
class Sample:
    """One seat of one episode."""

    reward: float | None
    """None where there is none: the episode failed, or nobody could score it. It then teaches nothing."""
    sequences: list[TokenSequence]
    """Texts the strategist was given and answered, its answers as spans; none where it proposed nothing that is kept."""

    @property
    def tokens(self) -> int:
        """Sampled tokens that are learnt from."""
        return sum(span.end - span.start for sequence in self.sequences for span in sequence.spans)


class Rollouts:
    """Plays rounds and reads them as samples."""

    def __init__(self, config: TrainConfig, rounds: Sequence[Sequence[Prompt]], tokens: ChatTokens, play: Play,
                 notes: Path) -> None:  # fmt: skip
        """`notes`: the folder that gets a file per round."""
        self.config, self.rounds, self.tokens, self.play, self.notes = config, rounds, tokens, play, notes

    def samples(self, number: int, served: Mapping[str, Any]) -> list[Sample]:
        """Round `number` (from 0), played or, where that was done before a kill, read: for every prompt its group of
        `play.repeats` samples, one group after the other."""
        prompts = self.rounds[number]
        wanted: dict[str, dict[str, Task]] = {}
        for prompt in prompts:
            wanted.setdefault(prompt.environment, {})[prompt.task.id] = prompt.task
        run = self.play(number, {name: list(tasks.values()) for name, tasks in wanted.items()}, served)
        layouter = Layouter(
            self.tokens,
            self.config.data.layout == "chat",
            (self.config.data.target or "sampled") == "sampled",
            self.config.data.max_length,
        )
        samples = self._read(run, prompts, layouter)
        self._note(number, run, samples, layouter.counts)
        return samples

    def _read(self, run: Path, prompts: Sequence[Prompt], layouter: Layouter) -> list[Sample]:
        played = {
            (row["cell"].split(SEPARATOR)[0], row["task_id"], row["repeat"]): row
            for row in latest_episodes(run).values()
        }
        worth = self._outcomes(run) if self.config.method.reward == "outcome" else self._returns(run)
        records: dict[str, EpisodeRecord] = {}
        samples = []
        for prompt in prompts:
            for repeat in range(self.config.play.repeats):
                row = played.get((prompt.environment, prompt.task.id, repeat))
                if row is None:
                    samples.append(Sample(None, []))
                    continue
                episode = records.setdefault(
                    row["episode_id"], read_record(run / EPISODES, row["offset"], EpisodeRecord)
                )
                reward = worth(row, prompt.seat)
                samples.append(Sample(reward, _sequences(episode, prompt.seat, reward, layouter)))
        return samples

    def _outcomes(self, run: Path) -> Callable[[Row, int], float | None]:
        """A seat's outcome, in the environment's own metric: what the world says, or the run's judge."""
        from harness.results.frames import judged_frame

        judged = judged_frame(run, read_manifest(run)["judge"])
        scored = judged.equal("status", "scored")
        places = {episode: place for place, episode in enumerate(judged.objects("episode_id")) if scored[place]}

        def outcome(row: Row, seat: int) -> float | None:
            if row["status"] != "finished":
                return None
            if not row["needs_judge"]:
                return row["score"]
            place, name = places.get(row["episode_id"]), f"{seat} goal"
            value = math.nan if place is None or name not in judged else float(judged.array(name)[place])
            return None if math.isnan(value) else value

        return outcome

    def _returns(self, run: Path) -> Callable[[Row, int], float | None]:
        """r_1 + γ r_2 + γ² r_3 + … over the process rewards of a seat's strategies."""
        rewarded = {row["episode_id"]: row for row in latest_process_rewards(run).values() if row["status"] == "scored"}

        def outcome(row: Row, seat: int) -> float | None:
            found = rewarded.get(row["episode_id"])
            if found is None or found["episode_attempt"] != row["attempt"]:
                return None
            record = read_record(run / PROCESS_REWARDS, found["offset"], ProcessRewardRecord)
            given = sorted((each.turn, each.reward) for each in record.rewards or [] if each.seat == seat)
            return discounted([reward for _, reward in given], self.config.data.gamma)[0] if given else None

        return outcome

    def _note(self, number: int, run: Path, samples: Sequence[Sample], counts: Counts) -> None:
        rewards = [sample.reward for sample in samples]
        played = [row for row in latest_episodes(run).values() if not is_unplayed(row)]
        note = {
            "round": number,
            "rewards": rewards,
            "episodes": {"played": len(played), "failed": sum(row["status"] == "failed" for row in played)},
            "sequences": sum(len(sample.sequences) for sample in samples),
            **asdict(counts),
        }
        self.notes.mkdir(parents=True, exist_ok=True)
        write_whole(self.notes / f"{number:05d}.json", json.dumps(note) + "\n")


def _sequences(episode: EpisodeRecord, seat: int, reward: float | None, layouter: Layouter) -> list[TokenSequence]:
    """A seat's strategies as they were asked for and answered."""
    if reward is None or seat not in trained_seats(episode, None):
        return []
    given = dict.fromkeys((turn.index for turn in episode.turns), reward)
    played = strategies_of(episode, seat, given)
    return layouter.sequences(played, [(reward, 1.0)] * len(played))


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples as TRL takes them: rows of a prompt and a completion."""

    prompt_ids: list[list[int]]
    completion_ids: list[list[int]]
    """From the first strategy of a sequence to its last."""
    mask: list[list[int]]
    """1 where the strategist wrote the token, 0 where the world did."""
    sample: list[int]
    """Which sample a row belongs to."""
    factor: list[float]
    """Factor of the sample's advantage in a row."""


def rows_of(samples: Sequence[Sample], per_episode: bool, parts: int, filler: int) -> Rows:
    """One row per sequence, filled up with empty rows (one token `filler`, which carries no loss) to a multiple of `parts`.

    TRL's loss `dapo` is 1/T Σ_token A over the T sampled tokens of a round. With `per_episode` a row's factor is
    T / (N T_i), N samples of T_i tokens: the loss is then 1/N Σ_i 1/T_i Σ_t A_i, GRPO's (Shao et al. 2024, eq. 3), in which
    every sample counts alike however long it is."""
    whole = sum(sample.tokens for sample in samples)
    rows = Rows([], [], [], [], [])
    for number, sample in enumerate(samples):
        factor = whole / (len(samples) * sample.tokens) if per_episode and sample.tokens else 1.0
        for sequence in sample.sequences:
            first = sequence.spans[0].start
            mask = [0] * (len(sequence.tokens) - first)
            for span in sequence.spans:
                mask[span.start - first : span.end - first] = [1] * (span.end - span.start)
            _append(rows, sequence.tokens[:first], sequence.tokens[first:], mask, number, factor)
    while len(rows.sample) % parts or not rows.sample:
        _append(rows, [filler], [filler], [0], 0, 0.0)
    return rows


def _append(rows: Rows, prompt: list[int], completion: list[int], mask: list[int], sample: int, factor: float) -> None:
    rows.prompt_ids.append(prompt)
    rows.completion_ids.append(completion)
    rows.mask.append(mask)
    rows.sample.append(sample)
    rows.factor.append(factor)


def round_statistics(notes: Path) -> dict[str, Any]:
    """Statistics of an iteration's rounds, as `data` of the curve (`harness.results.training_curve`)."""
    rounds = [json.loads(path.read_text("utf-8")) for path in sorted(notes.glob("*.json"))]
    rewards = [reward for note in rounds for reward in note["rewards"]]
    known = [reward for reward in rewards if reward is not None]
    names = ("sequences", "strategies", "dropped_too_long", "drifted", "split", "tokens", "target_tokens")
    sums = {name: sum(note[name] for note in rounds) for name in names}
    return {
        "rounds": len(rounds),
        **sums,
        "samples": len(rewards),
        "samples_without_reward": len(rewards) - len(known),
        "returns": {
            "mean": math.fsum(known) / len(known),
            "low": min(known),
            "high": max(known),
            "zero_share": sum(reward == 0 for reward in known) / len(known),
        }
        if known
        else None,
        "weights": None,
        "episodes": {key: sum(note["episodes"][key] for note in rounds) for key in ("played", "failed")},
    }
