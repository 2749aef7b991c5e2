"""The live panel: what a person has to see is in it, it keeps to the terminal's size, and agents' words are only words."""

from __future__ import annotations

import io
import random
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from harness.cli import main
from harness.results.index import latest_episodes, latest_judgements
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord, StrategyReward
from harness.results.store import EPISODES
from harness.results.tables import cell_table
from harness.runs.panel import WIDEST, RunPanel
from harness.runs.progress import Progress, goals_text
from harness.runs.run import Run, execute
from harness.runs.standing import Newest, Standing, newest_strategy
from tests.harness.gate_runs import LEVERS, play, reset, small
from tests.shared_data import THREE_ENVIRONMENTS

SIZES = [(80, 24), (100, 30), (160, 50), (200, 24), (300, 60)]
HOSTILE = "\x1b[2J\x1b]0;title\x07[bold red]markup[/] \u202eright to left\u200b 日本語\ttab\r\nnew line " * 50
PLACE = "alfworld | builtin-test-many | solo"


def standing(arms: int, places: int = 1, name: str = "actor") -> Standing:
    """A run under way: every third arm is done, every third has not begun."""
    found = Standing("a-run-0123456789")
    for number in range(arms):
        arm = found.arm(f"{PLACE} {number % places} | {name} {number} | epo")
        arm.done, arm.running, arm.waiting = ((12, 0, 0), (5, 2, 5), (0, 0, 12))[number % 3]
        for episode in range(arm.done):
            arm.give(str(episode), 0.25)
    return found


def drawn(standing: Standing, width: int, height: int) -> list[str]:
    """The lines that a terminal of that size gets."""
    console = Console(width=width, height=height, force_terminal=True, color_system=None, file=io.StringIO())
    progress = Progress(console)
    progress.standing = standing
    console.print(RunPanel(standing, standing.title, progress.parts))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def newest(words: str, cell: str = f"{PLACE} 0 | actor 0 | epo") -> Newest:
    return Newest(cell, "1", 0, 0, words, words, words, None)


def test_everything_a_person_waits_for_is_in_it() -> None:
    shown = standing(3)
    shown.failures.update({"quota": 12, "unreadable-answer": 3})
    shown.newest = Newest(
        f"{PLACE} 0 | actor 0 | epo", "1", 0, 0, "look in the drawer", "open drawer 1", "It is empty.", None
    )
    text = "\n".join(drawn(shown, 100, 30))
    for part in ("17/36 episodes", "2 running", "left ", "0.0/s", "0 tokens", "USD 0.00"):
        assert part in text
    assert "failed by reason: 12 quota · 3 unreadable-answer" in text
    assert re.search(r"actor 1 \+ epo +0\.25 +5 +2 +5 +0", text)
    assert re.search(r"actor 2 \+ epo +– +12 +0 +0 +0", text), "nothing is scored yet"
    for words in ("look in the drawer", "open drawer 1", "It is empty.", "goal 0.25"):
        assert words in text


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(("arms", "places"), [(1, 1), (6, 3), (90, 1), (90, 45)])
def test_it_keeps_to_the_size_of_the_terminal(width: int, height: int, arms: int, places: int) -> None:
    shown = standing(arms, places, name="a very long name of an actor 日本語 " * 4)
    shown.failures.update({f"reason-number-{number}": 3 for number in range(40)})
    shown.newest = newest(HOSTILE)
    lines = drawn(shown, width, height)
    assert max(map(cell_len, lines)) <= min(width, WIDEST)
    assert len(lines) < height
    assert any("0.25" in line for line in lines), "the goal so far is what gives way last"
    assert any("more reasons" in line for line in lines)


def test_where_not_all_arms_have_room_those_that_move_are_shown() -> None:
    lines = drawn(standing(90), 100, 20)
    arms = [line for line in lines if "+ epo" in line]
    assert all(re.search(r" 5 +2 +5 +0", line) for line in arms)
    assert any(f"… {90 - len(arms)} more arms" in line for line in lines)


def test_a_narrow_terminal_does_without_counts_before_it_cuts_the_goal() -> None:
    wide, narrow = (drawn(standing(3, name="n" * 30), width, 24) for width in (100, 70))
    assert any("waiting" in line for line in wide)
    assert not any("waiting" in line for line in narrow)
    assert any("goal so far" in line and "failed" in line for line in narrow)


def test_agents_words_are_only_words() -> None:
    shown = standing(1)
    shown.newest = newest(HOSTILE)
    text = "\n".join(drawn(shown, 160, 30))
    assert "[bold red]markup[/]" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]", text)
    assert r"\x1b[2J" in text


@pytest.fixture
def _levers() -> object:
    reset()
    yield
    reset()


@pytest.mark.usefixtures("_levers")
def test_the_goal_so_far_is_the_leaderboards_also_of_what_was_there_when_the_run_went_on(tmp_path: Path) -> None:
    dice = random.Random(1)
    LEVERS.update(noise=2, fail=lambda request: dice.random() < 0.1)
    folder = play(tmp_path / "run", strategists=["vanilla", {"kind": "epo", "model": "m"}])
    first = cell_table([folder]).set_index("cell")
    assert first["failed"].sum() > 0 and first["unscored"].sum() > 0
    LEVERS.update(fail=lambda request: False)
    progress = Progress(Console(file=io.StringIO()))
    with Run(small(strategists=["vanilla", {"kind": "epo", "model": "m"}]), folder) as run:
        begun = Standing("", run.scoring.label)
        units = [(unit.episode_id, unit.cell) for unit in run.plan.units]
        owed = [job.unit.episode_id for job in run.jobs()]
        begun.begin(units, owed, latest_episodes(folder), latest_judgements(folder).values())
        assert begun.there == 60 - len(owed) and begun.left == len(owed)
        for cell, arm in begun.arms.items():
            assert arm.goal == pytest.approx(first.loc[cell, "goal"])
        execute(run, progress)
    last = cell_table([folder]).set_index("cell")
    assert {cell: arm.goal for cell, arm in progress.standing.arms.items()} == pytest.approx(dict(last["goal"]))
    assert progress.standing.left == 0 and progress.standing.there == begun.there


@pytest.mark.usefixtures("_levers")
def test_failures_stand_by_reason_and_the_newest_strategy_with_what_came_of_it(tmp_path: Path) -> None:
    LEVERS.update(fail=lambda request: request.identity.role == "judge")
    progress = Progress(Console(file=io.StringIO()))
    with Run(small(strategists=[{"kind": "epo", "model": "m"}]), tmp_path / "run") as run:
        execute(run, progress)
    kinds = latest_judgements(tmp_path / "run").values()
    assert sum(progress.standing.failures.values()) == len(kinds) == 30
    assert progress.standing.sum("unscored") == 30
    shown = progress.standing.newest
    assert shown is not None
    assert shown.strategy == "offer something good" and "stay on your goal" in shown.action
    assert shown.answer


def test_what_came_of_a_strategy_is_the_worlds_answer_without_the_act_itself() -> None:
    lines = (THREE_ENVIRONMENTS / EPISODES).read_text("utf-8").splitlines()
    played = (EpisodeRecord.model_validate_json(line) for line in lines)
    follows = "alfworld | builtin-test-many | solo | script:follow | epo-rl"
    shown = newest_strategy(next(episode for episode in played if episode.cell == follows))
    assert shown is not None
    assert shown.action == "put remotecontrol 1 in/on sidetable 1"
    assert shown.answer == "You put the remotecontrol 1 in/on the sidetable 1."


def test_a_run_in_a_pipe_prints_plain_lines_with_reasons_and_goals(tmp_path: Path) -> None:
    said = io.StringIO()
    with Run(small(), tmp_path / "run") as run:
        execute(run, Progress(Console(file=said)))
    lines = said.getvalue().splitlines()
    assert len(lines) == 2, "one at the beginning and one at the end of a short run"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", said.getvalue())
    assert lines[0].startswith("0/30 episodes (0 were there), ")
    assert lines[1].startswith("30/30 episodes (0 were there), ")
    goal = cell_table([tmp_path / "run"]).iloc[0]["goal"]
    assert lines[1].endswith(f"; goal so far: {goal:.2f} m + vanilla")


def test_a_plain_line_names_the_first_arms_by_place_and_counts_the_others() -> None:
    shown = standing(3, places=3)
    assert goals_text(shown) == f"{PLACE} 0: 0.25 actor 0 + epo; {PLACE} 1: 0.25 actor 1 + epo"
    assert goals_text(standing(12)).endswith(", 0.25 actor 7 + epo and 2 more")
    assert goals_text(Standing()) == ""


def test_a_terminal_gets_the_panel_and_nothing_of_it_stays(tmp_path: Path) -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=100, height=30)
    with Run(small(), tmp_path / "run") as run:
        execute(run, Progress(console))
    text = said.getvalue()
    assert "goal so far" in text
    shown = re.sub(r"\x1b\[\d*(;\d+)*[A-Za-z]|\x1b\[\?25[lh]", "", text.rpartition("\x1b[1A")[2])
    assert shown.strip() == "", "the panel is taken away when the run is over"


@pytest.mark.usefixtures("_levers")
def test_judging_says_the_goal_so_far_reasons_and_what_it_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = play(tmp_path / "run", judge=None)
    judge = ["judge", str(folder), "--judge", "m"]
    questions = iter(range(1000))
    LEVERS.update(fail=lambda request: next(questions) < 30)
    assert main([*judge, "--again", "1"]) == 4
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("60/60 judgements ") and last.endswith("; failed by reason: 30 server-error")
    LEVERS.update(fail=lambda request: False)
    assert main(judge) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("0/30 judgements (0 were there), ")
    goal = cell_table([folder], judge=latest_judge(folder)).iloc[0]["goal"]
    assert lines[-1].startswith("30/30 judgements ") and ", 30 calls, " in lines[-1]
    assert lines[-1].endswith(f"; goal so far: {goal:.2f} m + vanilla")


def latest_judge(folder: Path) -> str:
    return str(next(iter(latest_judgements(folder).values()))["judge"])


def test_what_judges_and_process_rewards_say_of_the_newest_strategy_stands_with_it(tmp_path: Path) -> None:
    reasons = [{"goal": "they agreed"}, {"goal": "they did not"}]
    calls: dict[str, Any] = {"calls": [], "judged_at": "", "duration_s": 0.0, "episode_attempt": 1}
    one = JudgementRecord(
        judgement_id="j",
        episode_id="1",
        judge="m",
        status="scored",
        scores=[{"goal": 7.0}] * 2,
        reasons=reasons,
        **calls,
    )
    rewards = [StrategyReward(turn=2, seat=1, reward=0.5, credit=1.0, reason="it led to the deal")]
    other = ProcessRewardRecord(
        process_id="p", episode_id="1", method="critical", label="critical", status="scored", outcomes=[0.7, 0.7],
        outcome_source="m", rewards=rewards, **calls,
    )  # fmt: skip
    shown = Standing("", "m")
    cell = f"{PLACE} 0 | actor 0 | epo"
    shown.newest = Newest(cell, "1", 2, 1, "offer", "speak", "they nod", None)
    for record in (one, other):
        shown.recorded(cell, record)
    assert shown.newest.verdict == "the judge: they did not; reward 0.50 (it led to the deal)"
    assert any("not scored yet" in line and "they did not" in line for line in drawn(shown, 160, 30))
