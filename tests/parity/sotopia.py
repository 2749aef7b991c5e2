"""Plays recordings of the original sotopia 0.1.4 through this environment and reports every difference.

    python -m tests.parity.sotopia RECORDINGS... --data DIR

Compared: both initial texts and the judge's view of every background; for every episode the actions
on offer, and after each step both observations, turn numbers, actions on offer (as sets), the
rendered action, whether and why it ended; then the judge's history. An action out of turn (the
original silences it) and one after the end must be refused. Not compared: observations that the
original's XML step changed (`verbatim: false`), and the lines of a judge's history that it deleted
because of the words "did nothing"; both are counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from environments.base import Action
from environments.sotopia import texts
from environments.sotopia.play import SotopiaPlay, make_scene
from environments.sotopia.profiles import Combo, World, load_world
from environments.sotopia.rules import NONE, PROTOCOLS
from harness.base.errors import BadInput
from tests.parity.sotopia_recordings import (
    BackgroundRow,
    EpisodeRow,
    RecordedAction,
    Step,
    find_files,
    read_recording,
)

PROTOCOL = PROTOCOLS["sotopia-0.1.4"]
MAX_TURNS = 20
"""As the recordings were made."""
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Mismatch:
    where: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"{self.where}\n  recorded: {self.expected!r}\n  ours:     {self.got!r}"


@dataclass(slots=True)
class Tally:
    """What was compared so far; every differing value is one mismatch."""

    backgrounds: int = 0
    background_mismatches: int = 0
    episodes: int = 0
    steps: int = 0
    step_mismatches: int = 0
    observations_not_compared: int = 0
    histories: int = 0
    history_lines_not_compared: int = 0
    own_starts: int = 0
    """Episodes that bring initial texts of their own (relationship_override)."""
    shown: list[Mismatch] = field(default_factory=list)
    """The first ones."""

    @property
    def failed(self) -> bool:
        return self.background_mismatches + self.step_mismatches > 0

    def summary(self) -> str:
        return (
            f"{self.backgrounds} backgrounds, {self.background_mismatches} mismatches; "
            f"{self.steps} steps, {self.step_mismatches} mismatches, {self.observations_not_compared} not compared"
        )

    def check_start(self, where: str, expected: Any, got: Any) -> None:
        """Compare a value of the start."""
        self.background_mismatches += self._differs(where, expected, got)

    def check_step(self, where: str, expected: Any, got: Any) -> None:
        """Compare a value of a step or of the episode's end."""
        self.step_mismatches += self._differs(where, expected, got)

    def _differs(self, where: str, expected: Any, got: Any) -> bool:
        if expected == got:
            return False
        if len(self.shown) < SHOWN:
            self.shown.append(Mismatch(where, expected, got))
        return True


def start_play(world: World, row: BackgroundRow | EpisodeRow) -> tuple[Combo, SotopiaPlay]:
    """The recorded combo, about to be played. Raises `BadInput` for one that the data do not have."""
    combo = next((combo for combo in world.combos if combo.index == row.index), None)
    if combo is None:
        raise BadInput(f"{row.label}: no combo of index {row.index} in the data; is --data the right folder?")
    scenario = world.scenarios[combo.scenario_id]
    if row.relationship_override is not None:
        scenario = replace(scenario, relationship=row.relationship_override)
    scene = make_scene(scenario, world.cast(combo.character_ids))
    return combo, SotopiaPlay(scene, PROTOCOL, MAX_TURNS)


def replay_background(world: World, row: BackgroundRow, tally: Tally) -> None:
    combo, play = start_play(world, row)
    tally.backgrounds += 1
    for name, expected, got in (
        ("env_id", row.env_id, combo.scenario_id),
        ("agent_ids", row.agent_ids, combo.character_ids),
        ("names", row.names, play.names),
        ("seat1", row.seat1, play.view(0).background),
        ("seat2", row.seat2, play.view(1).background),
        ("judge", row.judge, play.judge_background()),
    ):
        tally.check_start(f"{row.label}, {name}", expected, got)


def replay_episode(world: World, row: EpisodeRow, tally: Tally) -> None:
    combo, play = start_play(world, row)
    tally.episodes += 1
    tally.check_start(f"{row.label}, env_id", row.env_id, combo.scenario_id)
    tally.check_start(f"{row.label}, names", row.names, play.names)
    _check_own_start(row, play, tally)
    for seat in (0, 1):
        expected = set(row.start_available_actions[seat])
        tally.check_step(f"{row.label}, seat {seat + 1} at the start", expected, set(play.view(seat).available))
    for step in row.steps:
        _replay_step(row, play, step, tally)
    _check_end(row, play, tally)


def _check_own_start(row: EpisodeRow, play: SotopiaPlay, tally: Tally) -> None:
    tally.own_starts += row.start_text is not None
    if row.start_text is not None:
        for seat in (0, 1):
            where = f"{row.label}, start_text of seat {seat + 1}"
            tally.check_start(where, row.start_text[seat], play.view(seat).background)
    if row.judge_background is not None:
        tally.check_start(f"{row.label}, judge_background", row.judge_background, play.judge_background())


def _refuses(play: SotopiaPlay, seat: int, action: RecordedAction) -> bool:
    """Whether an action is refused and leaves everything as it was."""
    before = play.copy()
    try:
        play.step(seat, Action(action.argument, action.action_type))
    except ValueError:
        return play == before
    return False


def _replay_step(row: EpisodeRow, play: SotopiaPlay, step: Step, tally: Tally) -> None:
    where = f"{row.label}, turn {step.turn}"
    seat = step.actor - 1
    tally.steps += 1
    if play.done:
        tally.check_step(f"{where}, still going on", True, False)
        return
    tally.check_step(f"{where}, actor", seat, play.current_seat)
    if step.masked_attempt is not None:
        refused = _refuses(play, 1 - play.current_seat, step.masked_attempt)
        tally.check_step(f"{where}, refusal of the action out of turn", True, refused)
    try:
        result = play.step(play.current_seat, Action(step.action.argument, step.action.action_type))
    except ValueError as error:
        tally.check_step(f"{where}, action", "accepted", f"refused: {error}")
        return
    tally.check_step(f"{where}, rendered", step.rendered, result.rendered)
    tally.check_step(f"{where}, terminated", step.terminated, play.done)
    tally.check_step(f"{where}, reason", step.reason, play.end_reason)
    tally.check_step(f"{where}, number", step.turn, len(play.actions))
    for viewer in (0, 1):
        _check_observation(f"{where}, seat {viewer + 1}", step, play, viewer, tally)


def _check_observation(where: str, step: Step, play: SotopiaPlay, viewer: int, tally: Tally) -> None:
    recorded, view = step.obs[viewer], play.view(viewer)
    tally.check_step(f"{where}, turn_number", recorded.turn_number, view.turn)
    tally.check_step(f"{where}, available_actions", set(recorded.available_actions), set(view.available))
    tally.check_step(f"{where}, author", step.actor - 1, view.events[-1].author)
    if step.verbatim[viewer]:
        tally.check_step(f"{where}, observation", recorded.text, view.events[-1].text)
    else:
        tally.observations_not_compared += 1


def _check_end(row: EpisodeRow, play: SotopiaPlay, tally: Tally) -> None:
    tally.check_step(f"{row.label}, n_turns", row.n_turns, len(play.actions))
    tally.check_step(f"{row.label}, final_reason", row.final_reason, play.end_reason)
    for unplayed in row.unplayed:
        refused = _refuses(play, play.current_seat, unplayed)
        tally.check_step(f"{row.label}, refusal of an action after the end", True, refused)
    if row.judge_history is None:
        return
    turns: list[tuple[str, str, str]] = []
    for turn, action in enumerate(play.actions):
        rendered = texts.render_action(action.kind, action.text)
        deleted = action.kind != NONE and "did nothing" in rendered
        tally.history_lines_not_compared += deleted
        turns.append((play.names[turn % 2], NONE if deleted else action.kind, rendered))
    tally.histories += 1
    got = texts.judge_history(play.judge_background(), turns)
    tally.check_step(f"{row.label}, judge_history", row.judge_history, got)


def replay_files(paths: Sequence[Path], world: World, tally: Tally) -> list[str]:
    """Replay all recordings into the tally; returns the names of the files left aside."""
    aside: list[str] = []
    for file in find_files(list(paths)):
        if file.left_aside:
            aside.append(file.path.name)
            continue
        for row in read_recording(file.path):
            if isinstance(row, BackgroundRow):
                replay_background(world, row, tally)
            else:
                replay_episode(world, row, tally)
    return aside


def print_report(tally: Tally, aside: list[str]) -> None:
    """The first mismatches, what was left out, and the summary as the last line."""
    for mismatch in tally.shown:
        print(mismatch)
    for name in aside:
        print(f"left aside: {name}")
    print(
        f"{tally.episodes} episodes, {tally.own_starts} of them with initial texts of their own; "
        f"{tally.histories} judge histories, {tally.history_lines_not_compared} lines in them not compared "
        f'(the original deletes lines that contain "did nothing")'
    )
    print(tally.summary())


def main(arguments: Sequence[str] | None = None) -> int:
    """0: no mismatch; 1: mismatches; 2: the input cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.parity.sotopia",
        description="Replays recordings of the original sotopia 0.1.4 and reports every difference.",
    )
    parser.add_argument("recordings", nargs="+", type=Path, help="recording files, or folders of them")
    parser.add_argument("--data", required=True, type=Path, help="folder with agents, environments and combos .jsonl")
    options = parser.parse_args(arguments)
    tally = Tally()
    try:
        aside = replay_files(options.recordings, load_world(options.data), tally)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print_report(tally, aside)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
