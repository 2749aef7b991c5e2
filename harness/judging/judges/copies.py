"""Planted copies of an episode: what should not matter to a judge is changed and everything else stays, so that what
its scores do is its bias; or what has to matter is taken away, to see whether it notices (`harness.judging.cards.report`).

- swapped: the two seats change places in what the judge is asked (who is agent_1); dialogue and background stay.
- padded-0, padded-1: a seat says the same with more words: every line of its speech gets a sentence that says nothing.
- renamed: the two characters exchange their names everywhere (pronouns stay).
- silenced-0, silenced-1: a seat did nothing at all: every act of its is "did nothing".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from harness.base.seeds import seed_from
from harness.results.records import EpisodeRecord, JudgementRecord, TurnRecord

FILLER = (
    "That is what I wanted to say, and I say it the way I mean it, neither more nor less.",
    "I mention it because we are talking about it now, and because one thing leads to another, as things do.",
    "All in all, taking one thing with the other, that is how it looks to me at this point in time.",
    "As I said, and as one might say in other words as well, this is the point I am at.",
    "So much for that; I could put it differently, but it would come down to the same thing in the end.",
)


@dataclass(frozen=True, slots=True)
class Copy:
    variant: str
    """Name of the copy, which goes into the judgement."""
    episode: EpisodeRecord
    swapped: bool = False
    """The scores come back for the seats in reverse order."""


def swapped(episode: EpisodeRecord) -> Copy:
    seats = len(episode.seats)
    turns = [turn.model_copy(update={"seat": seats - 1 - turn.seat}) for turn in episode.turns]
    copy = episode.model_copy(update={"seats": episode.seats[::-1], "turns": turns})
    return Copy("swapped", copy, swapped=True)


def _seat(name: str, episode: EpisodeRecord) -> int:
    """Chosen by a hash of the episode, so that over a run each seat is it about equally often."""
    return seed_from(name, episode.episode_id) % len(episode.seats)


def silenced(episode: EpisodeRecord) -> Copy:
    seat = _seat("silenced", episode)
    nothing = {"action": "", "action_kind": "none", "rendered": "did nothing"}
    turns = [turn.model_copy(update=nothing) if turn.seat == seat else turn for turn in episode.turns]
    return Copy(f"silenced-{seat}", episode.model_copy(update={"turns": turns}))


def padded(episode: EpisodeRecord) -> Copy:
    seat = _seat("padded", episode)
    turns = [_longer(turn) if turn.seat == seat else turn for turn in episode.turns]
    return Copy(f"padded-{seat}", episode.model_copy(update={"turns": turns}))


def _longer(turn: TurnRecord) -> TurnRecord:
    """Silence and leaving stay what they are."""
    if not turn.action.strip() or turn.action not in turn.rendered:
        return turn
    text = f"{turn.action} {FILLER[turn.index % len(FILLER)]}"
    start = turn.rendered.rindex(turn.action)
    rendered = turn.rendered[:start] + text + turn.rendered[start + len(turn.action) :]
    return turn.model_copy(update={"action": text, "rendered": rendered})


def renamed(episode: EpisodeRecord) -> Copy:
    first, second = (seat.name for seat in episode.seats)
    exchange = _exchange(first, second)
    seats = [
        seat.model_copy(update={"name": exchange(seat.name), "background": exchange(seat.background)})
        for seat in episode.seats
    ]
    turns = [
        turn.model_copy(update={"action": exchange(turn.action), "rendered": exchange(turn.rendered)})
        for turn in episode.turns
    ]
    background = episode.judge_background
    update = {"seats": seats, "turns": turns, "judge_background": background and exchange(background)}
    return Copy("renamed", episode.model_copy(update=update))


def _exchange(first: str, second: str) -> Callable[[str], str]:
    """Puts each name in the other's place: whole names, and first and last names where both have as many parts."""
    pairs = {first: second, second: first}
    parts = first.split(), second.split()
    if len(parts[0]) == len(parts[1]):
        for one, other in zip(*parts, strict=True):
            if one not in pairs and other not in pairs:
                pairs |= {one: other, other: one}
    ordered = sorted(pairs, key=len, reverse=True)
    pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, ordered)) + r")\b")
    return lambda text: pattern.sub(lambda match: pairs[match[0]], text)


COPIES: dict[str, Callable[[EpisodeRecord], Copy]] = {
    "swapped": swapped,
    "padded": padded,
    "renamed": renamed,
    "silenced": silenced,
}
"""Ways to make a planted copy of an episode with two seats, by name."""


def as_asked(copy: Copy, judgement: JudgementRecord) -> JudgementRecord:
    """The judgement of a copy, its scores given for the episode's own seats."""
    scores, reasons = judgement.scores, judgement.reasons
    if copy.swapped:
        scores = scores[::-1] if scores is not None else None
        reasons = reasons[::-1] if reasons is not None else None
    return judgement.model_copy(update={"variant": copy.variant, "scores": scores, "reasons": reasons})
