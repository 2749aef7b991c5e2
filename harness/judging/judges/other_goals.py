"""The planted copy `other-goal`: one seat has the goal of another task. A judge that reads what a character wanted takes
points off a character that wanted something else than it did."""

from __future__ import annotations

import re

from harness.judging.judges.copies import Copy, seat_of
from harness.results.records import EpisodeRecord, SeatRecord


def goal_in(background: str, name: str) -> str | None:
    """The goal that a background states for a character ("NAME's goal: …", up to the next one's or the end); None where it
    states none."""
    found = _stated(name).search(background)
    return (found[1].strip() or None) if found else None


def _stated(name: str) -> re.Pattern[str]:
    return re.compile(rf"^{re.escape(name)}'s goal: (.*?)(?=^[^\n:]{{1,80}}'s goal: |\Z)", re.DOTALL | re.MULTILINE)


def goal_of(episode: EpisodeRecord, seat: int) -> str | None:
    """The seat's goal as judges read it."""
    return goal_in(episode.judge_background or "", episode.seats[seat].name)


def other_goal(episode: EpisodeRecord, donor: EpisodeRecord) -> Copy | None:
    """The copy with the goal of the donor's same seat, its names exchanged for those of this episode; None where one of the
    two states no goal, or both the same."""
    seat = seat_of("other-goal", episode)
    own, other = goal_of(episode, seat), goal_of(donor, seat)
    if own is None or other is None:
        return None
    goal = _renamed(other, donor, episode)
    if goal == own:
        return None
    name = episode.seats[seat].name
    seats = [_given(each, name, goal) for each in episode.seats]
    background = _with_goal(episode.judge_background or "", name, goal)
    return Copy(f"other-goal-{seat}", episode.model_copy(update={"seats": seats, "judge_background": background}))


def _renamed(text: str, donor: EpisodeRecord, episode: EpisodeRecord) -> str:
    """The text with the donor's names, whole or first ones, replaced by this episode's."""
    pairs: dict[str, str] = {}
    for theirs, ours in zip(donor.seats, episode.seats, strict=True):
        pairs[theirs.name] = ours.name
        pairs.setdefault(theirs.name.split()[0], ours.name.split()[0])
    ordered = sorted(pairs, key=len, reverse=True)
    return re.sub(r"\b(?:" + "|".join(map(re.escape, ordered)) + r")\b", lambda match: pairs[match[0]], text)


def _given(seat: SeatRecord, name: str, goal: str) -> SeatRecord:
    """The seat with the goal in its own background, where that is stated there for the seat itself."""
    if seat.name != name:
        return seat
    return seat.model_copy(update={"background": _with_goal(seat.background, name, goal)})


def _with_goal(background: str, name: str, goal: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        label, rest = match[0][: match.start(1) - match.start()], match[1][len(match[1].rstrip()) :]
        return f"{label}{goal}{rest}"

    return _stated(name).sub(replaced, background)
