"""State of a run at work: counts and the goal so far by arm, failures by reason, the newest strategy. Fed with what is on disk
when it begins, then with every record that is made; draws nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from harness.results.index import Row
from harness.results.judge_panel import Scores, aggregated, read_panel
from harness.results.reasons import reason_of
from harness.results.records import EpisodeRecord, ErrorInfo, JudgementRecord, ProcessRewardRecord, TurnRecord

GOAL = "goal"
"""The judges' dimension that is the goal."""


@dataclass(slots=True)
class ArmStanding:
    """One cell of a run: how many of its episodes are where, and the goals that are known."""

    waiting: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    unscored: int = 0
    goals: dict[str, float] = field(default_factory=dict)
    """Episode id -> goal, in the metric's own range."""
    _sum: float = 0.0

    @property
    def goal(self) -> float | None:
        """The mean over the episodes that have one; None until there is one."""
        return self._sum / len(self.goals) if self.goals else None

    @property
    def moves(self) -> bool:
        """True if it was begun and is not done yet."""
        return self.running > 0 or (self.waiting > 0 and self.done + self.failed > 0)

    def give(self, episode: str, goal: float) -> None:
        """Take over an episode's goal."""
        self._sum += goal - self.goals.get(episode, 0.0)
        self.goals[episode] = goal


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest strategy that is on record. Agents' words, as they are."""

    cell: str
    episode: str
    turn: int
    seat: int
    strategy: str
    action: str
    answer: str
    """The seat's next observation."""
    failed: str | None
    """Short name of why the episode failed; None where it did not."""
    verdict: str = ""
    """Words of the judges and process rewards about it."""


class Standing:
    """The counts and newest strategy of a run at work."""

    def __init__(self, title: str = "", judge: str | None = None) -> None:
        """`judge`: label of the judge or panel whose goal counts where the world cannot say it."""
        self.title = title
        self.arms: dict[str, ArmStanding] = {}
        """By cell (`environment | split | pairing | actor | strategist`), in the plan's order."""
        self.failures: Counter[str] = Counter()
        """Short names of what failed."""
        self.there = 0
        """Episodes with nothing left to do when the run began."""
        self.newest: Newest | None = None
        self._members, self._aggregate = read_panel(judge) if judge else ([], "mean")
        self._scores: dict[str, dict[str, Scores]] = {}
        """Episode id -> what the judges asked so far gave, until all have."""
        self._tested: dict[str, Sequence[int]] = {}
        """Episode id -> the tested seats of an episode that is judged."""
        self._unscored: set[str] = set()

    def arm(self, cell: str) -> ArmStanding:
        """The arm of a cell; made where it is not there."""
        return self.arms.setdefault(cell, ArmStanding())

    def sum(self, what: str) -> int:
        """Sum over all arms of one count: waiting, running, done, failed or unscored."""
        return sum(getattr(arm, what) for arm in list(self.arms.values()))

    @property
    def left(self) -> int:
        """Episodes that are not done yet."""
        return self.sum("waiting") + self.sum("running")

    @property
    def planned(self) -> int:
        """All episodes."""
        return self.left + self.sum("done") + self.sum("failed")

    def begin(
        self,
        planned: Sequence[tuple[str, str]],
        owed: Iterable[str],
        episodes: Mapping[str, Row],
        judged: Iterable[Row],
    ) -> None:
        """Take over what is there. `planned`: (episode id, cell) of every episode; `owed`: ids of those with something left to
        do; `episodes` and `judged`: rows of the index."""
        left = set(owed)
        self.learn_goals(planned, episodes, judged)
        for episode, cell in planned:
            if episode in left:
                self.expect(cell)
            elif episode in episodes:
                self.there += 1
                self._count(self.arm(cell), episodes[episode])

    def expect(self, cell: str) -> None:
        """One more episode of that cell, or question about one, will come."""
        self.arm(cell).waiting += 1

    def learn_goals(
        self, planned: Iterable[tuple[str, str]], episodes: Mapping[str, Row], judged: Iterable[Row]
    ) -> None:
        """Take over the goals that are known: of worlds that say them, and of judgements."""
        for episode, cell in planned:
            self.arm(cell)
            row = episodes.get(episode)
            if row is not None and row["status"] == "finished":
                self._finished(cell, episode, row["score"], row["tested"])
        for row in judged:
            episode = row["episode_id"]
            if row["status"] == "scored" and row["judge"] in self._members and episode in episodes:
                self._judged(episodes[episode]["cell"], episode, row["judge"], row["scores"])

    def _count(self, arm: ArmStanding, row: Row) -> None:
        failed = row["status"] == "failed"
        arm.failed += failed
        arm.done += not failed
        if failed:
            self.failures[row["reason"]] += 1

    def started(self, cell: str) -> None:
        """An episode is played (or judged) from now on."""
        arm = self.arm(cell)
        arm.waiting -= 1
        arm.running += 1

    def ended(self, cell: str, *, failed: bool) -> None:
        """An episode has all that it will get now."""
        arm = self.arm(cell)
        arm.running -= 1
        arm.failed += failed
        arm.done += not failed

    def recorded(self, cell: str, record: EpisodeRecord | JudgementRecord | ProcessRewardRecord) -> None:
        """A record of an episode of that cell was made."""
        if record.error is not None:
            self.failures[_reason(record.error)] += 1
        if isinstance(record, EpisodeRecord):
            if record.status == "finished":
                tested = [number for number, seat in enumerate(record.seats) if seat.tested]
                self._finished(cell, record.episode_id, record.outcome.score if record.outcome else None, tested)
            self.show(record)
            return
        if record.status == "unscored" and record.episode_id not in self._unscored:
            self._unscored.add(record.episode_id)
            self.arm(cell).unscored += 1
        if isinstance(record, ProcessRewardRecord):
            self._add_verdict(record.episode_id, _reward_text(record, self.newest))
            return
        self._add_verdict(record.episode_id, _reason_text(record, self.newest))
        counts = record.repeat == 0 and not record.variant and record.judge in self._members
        if record.scores is not None and counts:
            self._judged(cell, record.episode_id, record.judge, record.scores)

    def show(self, episode: EpisodeRecord) -> None:
        """The newest strategy is this episode's, where it has one."""
        self.newest = newest_strategy(episode) or self.newest

    def _add_verdict(self, episode: str, told: str) -> None:
        newest = self.newest
        if told and newest is not None and newest.episode == episode:
            self.newest = replace(newest, verdict=f"{newest.verdict}; {told}".removeprefix("; "))

    def _finished(self, cell: str, episode: str, score: float | None, tested: Sequence[int]) -> None:
        if score is not None:
            self.arm(cell).give(episode, score)
        elif self._members:
            self._tested[episode] = tested

    def _judged(self, cell: str, episode: str, judge: str, scores: Scores) -> None:
        """The goal of the tested seats, once all judges have scored it."""
        got = self._scores.setdefault(episode, {})
        got[judge] = scores
        if episode not in self._tested or not all(member in got for member in self._members):
            return
        seats = aggregated([got[member] for member in self._members], self._aggregate)
        goals = [seats[seat][GOAL] for seat in self._tested[episode] if GOAL in seats[seat]]
        if goals:
            self.arm(cell).give(episode, fmean(goals))
        del self._scores[episode], self._tested[episode]


def newest_strategy(episode: EpisodeRecord) -> Newest | None:
    """The last strategy of an episode, of a tested seat where one has any; None where nobody had one."""
    turns = [turn for turn in episode.turns if (turn.strategy or "").strip()]
    own = [turn for turn in turns if episode.seats[turn.seat].tested] or turns
    if not own:
        return None
    turn = own[-1]
    failed = None if episode.error is None else _reason(episode.error)
    return Newest(
        cell=episode.cell,
        episode=episode.episode_id,
        turn=turn.index,
        seat=turn.seat,
        strategy=turn.strategy or "",
        action=turn.rendered or turn.raw or "",
        answer=_answer(episode, turn),
        failed=failed,
    )


def _reward_text(record: ProcessRewardRecord, newest: Newest | None) -> str:
    """Text of a process reward for the newest strategy."""
    found = [each for each in record.rewards or [] if newest and (each.turn, each.seat) == (newest.turn, newest.seat)]
    return f"reward {found[0].reward:.2f} ({found[0].reason or record.method})" if found else ""


def _reason_text(record: JudgementRecord, newest: Newest | None) -> str:
    """Reason a judge gave for the goal of the newest strategy's seat."""
    seats = record.reasons or []
    reason = seats[newest.seat].get(GOAL, "") if newest is not None and newest.seat < len(seats) else ""
    return f"the judge: {reason}" if reason else ""


def _answer(episode: EpisodeRecord, turn: TurnRecord) -> str:
    """Text the seat saw after its turn, without its own act where that comes first."""
    later = (each.observation for each in episode.turns if each.seat == turn.seat and each.index > turn.index)
    seen = next(later, episode.seats[turn.seat].closing)
    own = len(seen) > 1 and bool(turn.rendered) and seen[0].strip().endswith(turn.rendered.strip())
    return " ".join(seen[1:] if own else seen)


def _reason(error: ErrorInfo) -> str:
    return reason_of({"kind": error.kind, "message": error.message, "reason": error.reason}) or error.kind
