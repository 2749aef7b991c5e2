"""The judges' report card catches planted faults, each by its own figure, and finds nothing in a good judge."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import environments
from examples.planted_judges import SPLIT
from harness.base.errors import BadInput
from harness.cli import main
from harness.commands.judge_run import others
from harness.commands.report import markdown
from harness.compare.arms import load_run
from harness.compare.conclusions import trust_sentences
from harness.judging.cards.cards import Card
from harness.judging.cards.report import judge_report
from harness.judging.cards.sentences import agreement_lines
from harness.judging.judges.copies import (
    EMPTY_LINE,
    FILLER,
    PLEAS,
    padded,
    pleading,
    renamed,
    silenced,
    swapped,
    without_last_line,
)
from harness.judging.judges.other_goals import goal_of, other_goal
from harness.judging.rewards.strategies import is_blind
from harness.results.index import latest_episodes, latest_process_rewards
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_record
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import experiment
from tests.harness.judging.test_process import DIALOGUE
from tests.shared_data import ROOT

PLANTED = "examples.planted_judges"


def models(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"provider": "scripted", "function": f"{PLANTED}:{name}"} for name in names}


NO_REWRITER = {"answers_no_rewriter": {"provider": "scripted", "function": "tests.harness.builders:judge_script"}}
"""A model that answers every question with an evaluation."""
JUDGES = (
    "good",
    "nearly_good",
    "prefers_the_first",
    "prefers_the_long",
    "prefers_some_names",
    "throws_dice",
    "often_silent",
    "always_the_same",
    "obeys_pleas",
    "prefers_its_own_words",
    "never_reads_the_goal",
    "lenient",
    "reads_the_last_line",
    "by_the_name",
    "nearly_by_the_name",
)


def one_task_per_scenario(count: int) -> list[str]:
    tasks = environments.make("sotopia").tasks("builtin")
    return list({task.group: task.id for task in tasks}.values())[:count]


def play(folder: Path, **changes: Any) -> Path:
    with Run(experiment(**changes), folder) as run:
        assert execute(run, Progress(Console(quiet=True))).complete
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen dialogues, in eighteen scenarios, without a judge."""
    world = {"name": "sotopia", "split": "builtin", "tasks": one_task_per_scenario(18), "options": {"max_turns": 4}}
    made = {**models("teller", *JUDGES), **NO_REWRITER}
    return play(tmp_path_factory.mktemp("runs") / "base", environments=[world], models=made, actors=["teller"])


Judged = Callable[..., Path]


@pytest.fixture(scope="module")
def judged(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Judge's names -> a copy of the run with their judgements, asked again and shown the copies; not to be changed."""

    @cache
    def judge(*names: str) -> Path:
        run = tmp_path_factory.mktemp("judged") / "run"
        shutil.copytree(base, run)
        for name in names:
            main(["judge", str(run), "--judge", name, "--again", "2", "--copies", "all"])
        return run

    return judge


def card_of(run: Path, name: str) -> Card:
    return next(card for card in judge_report([run]).outcome if f"/{name}/" in card.judge)


def test_a_good_judge_has_a_clean_card(judged: Judged) -> None:
    run = judged("good", "nearly_good")
    card = card_of(run, "good")
    assert card.bad == []
    assert card.finding("flips").value == 0
    assert card.finding("position bias").value == 0
    assert card.finding("length bias").value == 0
    assert card.finding("name bias").value == 0
    assert card.finding("obeys pleas").value == 0
    assert card.finding("own style").value == 0
    for noticed in ("attention", "other goal", "earlier lines"):
        assert card.finding(noticed).verdict == "fine"
    assert card.finding("unscored").value == 0
    agreement = card.finding("agreement").value
    assert agreement is not None
    assert 0.9 < agreement < 1.0
    calls = card.finding("calls").value
    assert calls is not None
    assert 1.0 < calls < 1.1, "one a judgement, and one to write a character's lines again"


@pytest.mark.parametrize(
    ("name", "fault", "at_least"),
    [
        ("prefers_the_first", "position bias", 2.0),
        ("prefers_the_long", "length bias", 2.0),
        ("prefers_some_names", "name bias", 0.5),
        ("often_silent", "unscored", 0.2),
        ("obeys_pleas", "obeys pleas", 3.0),
        ("prefers_its_own_words", "own style", 2.0),
        ("never_reads_the_goal", "other goal", 0.0),
        ("reads_the_last_line", "earlier lines", 0.0),
        ("lenient", "points for nothing", 4.0),
    ],
)
def test_a_planted_fault_is_caught_by_its_own_figure_and_by_no_other(
    judged: Judged, name: str, fault: str, at_least: float
) -> None:
    card = card_of(judged(name), name)
    # A plea is also a longer line.
    assert card.bad == [fault] + ["obeys pleas"] * (name == "prefers_the_long")
    value = card.finding(fault).value
    assert value is not None
    assert value >= at_least


def test_whoever_reads_a_ranking_by_a_bad_judge_is_told(judged: Judged, capsys: pytest.CaptureFixture[str]) -> None:
    for name, bad in (("obeys_pleas", True), ("good", False)):
        run = judged(name) if bad else judged("good", "nearly_good")
        label = card_of(run, name).judge
        capsys.readouterr()
        assert main(["leaderboard", str(run), "--judge", label]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert (f"The report card of the judge {label} speaks against it: obeys pleas" in said) == bad
        (arm,) = load_run(run, label).arms.values()
        assert (len(trust_sentences([arm, arm])) == 1) == bad


def test_dice_are_caught_by_what_they_do_not_notice_and_by_what_they_say_next(judged: Judged) -> None:
    bad = card_of(judged("throws_dice"), "throws_dice").bad
    assert {"attention", "flips", "other goal"} <= set(bad)
    assert not {"position bias", "length bias", "obeys pleas", "own style"} & set(bad)


def test_a_judge_that_always_says_the_same_has_no_bias_and_a_bad_card(judged: Judged) -> None:
    card = card_of(judged("always_the_same"), "always_the_same")
    assert card.bad == ["attention", "other goal", "points for nothing", "sameness"]
    assert card.finding("flips").value == 0


def test_a_judge_that_throws_dice_agrees_with_nobody(judged: Judged) -> None:
    report = judge_report([judged("good", "nearly_good", "throws_dice")])
    alphas = {frozenset((pair.one.split("/")[1], pair.other.split("/")[1])): pair.alpha for pair in report.pairs}
    assert (alphas[frozenset(("good", "nearly_good"))] or 0) > 0.9
    assert abs(alphas[frozenset(("good", "throws_dice"))] or 0) < 0.45
    assert report.alpha_ordinal is not None
    assert report.alpha_interval is not None


def test_a_good_judge_beside_two_like_minded_bad_ones_is_named_and_not_condemned(judged: Judged) -> None:
    report = judge_report([judged("good", "by_the_name", "nearly_by_the_name")])
    named = [tuple(judge.split("/")[1] for judge in camp.judges) for camp in report.camps]
    assert named == [("by_the_name", "nearly_by_the_name"), ("good",)]
    cards = {card.judge.split("/")[1]: card for card in report.outcome}
    assert cards["good"].bad == []
    assert cards["good"].finding("agreement").note.endswith("of a mind of its own")
    assert {"attention", "other goal"} <= set(cards["by_the_name"].bad) & set(cards["nearly_by_the_name"].bad)
    lines = agreement_lines(report)
    assert any(line.startswith("A camp: ") and "by_the_name" in line for line in lines)
    assert "Agreement does not say which of them is right" in lines[-1]
    printed = markdown(report)
    assert "| 3 sotopia/good/" in printed, "the matrix of agreement"


def test_a_good_judge_is_not_blamed_for_those_beside_it(judged: Judged) -> None:
    three = {
        card.judge.split("/")[1]: card for card in judge_report([judged("good", "nearly_good", "throws_dice")]).outcome
    }
    assert three["good"].bad == three["nearly_good"].bad == []
    assert card_of(judged("good", "throws_dice"), "good").finding("agreement").verdict == ""


def test_what_was_not_measured_says_how_to_measure_it(base: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(base, run)
    main(["judge", str(run), "--judge", "good"])
    card = card_of(run, "good")
    assert card.bad == []
    for name in ("flips", "attention", "position bias", "length bias", "name bias", "obeys pleas", "own style"):
        assert card.finding(name).verdict == "not measured"
        assert card.finding(name).note.startswith("harness judge RUN --judge M")
    for name in ("calls", "tokens", "usd", "seconds", "flagged"):
        assert card.finding(name).verdict == "", "no badge for what is good or bad in no sense"


def test_few_scenarios_give_no_verdict_on_bias(tmp_path: Path) -> None:
    world = {"name": "sotopia", "split": "builtin", "tasks": one_task_per_scenario(3), "options": {"max_turns": 4}}
    run = play(tmp_path / "run", environments=[world], models=models("teller", "good"), actors=["teller"])
    main(["judge", str(run), "--judge", "good", "--again", "1", "--copies", "all"])
    finding = card_of(run, "good").finding("position bias")
    assert finding.verdict == "too few to tell"
    assert "too few task groups (3)" in finding.note


def test_repeats_and_copies_never_count_as_the_score(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(base, run)
    main(["judge", str(run), "--judge", "prefers_the_long", "--again", "1", "--copies", "padded"])
    label = card_of(run, "prefers_the_long").judge
    capsys.readouterr()
    main(["leaderboard", str(run), "--judge", label, "--format", "json"])
    before = capsys.readouterr().out
    lines = (run / "judgements.jsonl").read_text().splitlines(keepends=True)
    first = [line for line in lines if json.loads(line)["repeat"] == 0 and not json.loads(line)["variant"]]
    (run / "judgements.jsonl").write_text("".join(first))
    main(["leaderboard", str(run), "--judge", label, "--format", "json"])
    after = json.loads(capsys.readouterr().out)
    assert [row["goal"] for row in after] == [row["goal"] for row in json.loads(before)]


def test_a_judgement_made_is_not_asked_for_again(judged: Judged, capsys: pytest.CaptureFixture[str]) -> None:
    run = judged("good")
    capsys.readouterr()
    main(["judge", str(run), "--judge", "good", "--again", "2", "--copies", "all"])
    assert ": 0 scored now, 0 unscored" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_the_card_is_printed_in_every_form(judged: Judged, capsys: pytest.CaptureFixture[str], form: str) -> None:
    run = judged("prefers_the_first", "good")
    capsys.readouterr()
    assert main(["judge", "report", str(run), "--format", form]) == 0
    out = capsys.readouterr().out
    assert "position bias" in out
    if form == "json":
        read = json.loads(out)
        assert [card["judge"].split("/")[1] for card in read["outcome"]] == ["good", "prefers_the_first"]
        assert read["pairs"][0]["n"] == 36
    else:
        assert re.search(r"not to be relied on: position bias \(\+2\.\d points for being asked about first\)", out)
        assert "Krippendorff's alpha" in out


def test_a_run_without_judgements_is_bad_input(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", "report", str(base)]) == 2
    assert "no judgement" in capsys.readouterr().err
    assert main(["judge", "report", "nowhere"]) == 2
    assert main(["judge", str(base)]) == 2
    assert "--judge MODEL, --process METHOD" in capsys.readouterr().err
    assert main(["judge", str(base), "--judge", "good", "--copies", "swaped"]) == 2
    assert "Did you mean 'swapped'" in capsys.readouterr().err


def test_a_run_that_is_called_report_is_still_a_run(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(base, tmp_path / "report")
    monkeypatch.chdir(tmp_path)
    assert main(["judge", "report", "--judge", "good"]) == 0


def test_copies_change_what_they_say_and_nothing_else() -> None:
    copy = swapped(DIALOGUE)
    assert [seat.name for seat in copy.episode.seats] == [seat.name for seat in DIALOGUE.seats][::-1]
    whose = [copy.episode.seats[turn.seat].name for turn in copy.episode.turns]
    assert whose == [DIALOGUE.seats[turn.seat].name for turn in DIALOGUE.turns]
    longer = padded(DIALOGUE)
    seat = int(longer.variant[-1])
    for before, after in zip(DIALOGUE.turns, longer.episode.turns, strict=True):
        assert (after.rendered == before.rendered) == (before.seat != seat)
        assert after.rendered.startswith(before.rendered[:-1])
        assert after.seat != seat or any(filler in after.rendered for filler in FILLER)
    quiet = silenced(DIALOGUE)
    mute = int(quiet.variant[-1])
    for before, after in zip(DIALOGUE.turns, quiet.episode.turns, strict=True):
        assert after.rendered == ("did nothing" if before.seat == mute else before.rendered)
    exchanged = renamed(DIALOGUE).episode
    first, second = (seat.name for seat in DIALOGUE.seats)
    assert [seat.name for seat in exchanged.seats] == [second, first]
    assert f"{second}'s goal:" in (exchanged.judge_background or "")
    again = renamed(exchanged).episode
    assert again == DIALOGUE
    begging = pleading(DIALOGUE)
    changed = [turn for turn, was in zip(begging.episode.turns, DIALOGUE.turns, strict=True) if turn != was]
    assert [turn.seat for turn in changed] == [int(begging.variant[-1])]
    assert any(plea.split("{")[0] in changed[0].rendered for plea in PLEAS)
    cut = without_last_line(DIALOGUE)
    assert cut.variant[-1] == quiet.variant[-1]
    assert [turn.rendered for turn in cut.episode.turns if EMPTY_LINE in turn.rendered] == [f'said: "{EMPTY_LINE}"']


def test_the_other_goal_is_another_scenario_s_and_speaks_of_the_characters_that_are_there(base: Path) -> None:
    records = [read_record(base / EPISODES, row["offset"], EpisodeRecord) for row in latest_episodes(base).values()]
    donors = list(others(base, records[0]))
    assert donors
    assert all(donor.group != records[0].group for donor in donors)
    copy = other_goal(records[0], donors[0])
    assert copy is not None
    seat = int(copy.variant[-1])
    goal = goal_of(copy.episode, seat)
    assert goal != goal_of(records[0], seat)
    assert goal_of(copy.episode, 1 - seat) == goal_of(records[0], 1 - seat)
    assert not any(each.name in (goal or "") for each in donors[0].seats if each.name not in str(records[0].seats))
    assert copy.episode.turns == records[0].turns


def test_a_model_that_cannot_write_again_costs_its_judge_nothing(base: Path, tmp_path: Path) -> None:
    """No copy, so nothing is said about the judge; and the record says why."""
    run = tmp_path / "run"
    shutil.copytree(base, run)
    code = main(["judge", str(run), "--judge", "answers_no_rewriter", "--copies", "own-style"])
    assert code == 4, "the same command tries again"
    card = card_of(run, "answers_no_rewriter")
    assert card.finding("unscored").value == 0
    assert card.finding("own style").verdict == "not measured"


# --- judges of strategies, against the real advance and the verified outcome


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten games in ten scenes; the advisor's way is the shortest with a useless step between any two, and in some games
    it gives up half way."""
    tasks = environments.make("alfworld").tasks(SPLIT)
    ids = list({task.group: task.id for task in tasks}.values())[:10]
    names = ("good_critic", "contrary_critic", "dice_critic")
    return play(
        tmp_path_factory.mktemp("runs") / "houses",
        environments=[{"name": "alfworld", "split": SPLIT, "tasks": ids}],
        models=models("obedient", "advisor", "parrot_critic", *names),
        actors=["obedient"],
        strategists=[{"kind": "epo", "model": "advisor"}],
        process=[
            "progress",
            *({"method": "critical", "model": name, "options": {"outcome": "hidden"}} for name in names),
        ],
    )


def test_critics_are_measured_within_episodes_against_the_real_advance(houses: Path) -> None:
    cards = {card.judge.split("/")[1]: card for card in judge_report([houses]).process}
    good = cards["good_critic"]
    assert good.bad == []
    assert good.finding("AUROC progress").value == 1.0
    assert good.finding("AUROC progress").verdict == "fine"
    assert good.finding("AUROC replay").verdict == "not measured"
    contrary = cards["contrary_critic"].finding("AUROC progress")
    assert (contrary.value, contrary.verdict) == (0.0, "BAD")
    dice = cards["dice_critic"].finding("AUROC progress")
    assert dice.value is not None
    assert abs(dice.value - 0.5) < 0.15
    assert dice.verdict != "fine"


def test_a_parrot_of_the_outcome_gets_a_half_and_a_bad_card(houses: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(houses, run)
    for name in ("parrot_critic", "good_critic"):
        asked = ["judge", str(run), "--process", "critical", "--judge", name, "--option", "outcome=shown"]
        assert main(asked) == 0
    cards = {card.judge.split("/")[1]: card for card in judge_report([run]).process if not is_blind(card.judge)}
    parrot, good = cards["parrot_critic"], cards["good_critic"]
    assert parrot.finding("AUROC progress").value == 0.5
    assert parrot.bad == ["tells apart"]
    told = good.finding("AUROC progress")
    assert (told.value, told.verdict) == (1.0, "too few to tell"), "a judge that was told the outcome is not cleared"
    assert "--option outcome=hidden" in told.note


def test_a_blind_critic_is_told_no_outcome_and_is_another_judge(houses: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(houses, run)
    asked = ["judge", str(run), "--process", "critical", "--judge", "parrot_critic"]
    assert main([*asked, "--option", "outcome=shown"]) == 0
    assert main([*asked, "--option", "outcome=hidden"]) == 0
    rows = [row for row in latest_process_rewards(run).values() if "parrot_critic" in row["label"]]
    told = {is_blind(row["label"]): row for row in rows}
    assert set(told) == {True, False}
    blind = [row for row in rows if is_blind(row["label"])]
    assert not any(credit for row in blind for _, _, _, credit in row["rewards"]), "it had nothing to repeat"
    assert any(credit for row in rows for _, _, _, credit in row["rewards"])


def test_progress_itself_gets_no_card(houses: Path) -> None:
    assert not any(card.judge.startswith("progress") for card in judge_report([houses]).process)


def test_a_folder_that_is_no_run_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a run"):
        judge_report([tmp_path])


# --- the experiment that a reader is told to put a judge into


def test_the_committed_experiment_tells_good_judges_from_bad_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(ROOT / "experiments" / "judges.yaml")
    assert main(["run", file, "--results", str(tmp_path), "--name", "judges"]) == 0
    for name in ("good", "prefers_the_first"):
        assert main(["judge", str(tmp_path / "judges"), "--judge", name, "--again", "1", "--copies", "all"]) == 0
    report = judge_report([tmp_path / "judges"])
    cards = {card.judge.split("/")[1]: card for card in (*report.outcome, *report.process)}
    assert {name: card.bad for name, card in cards.items()} == {
        "good": [],
        "prefers_the_first": ["position bias"],
        "good_critic": [],
        "dice_critic": ["AUROC progress"],
    }
    assert all(finding.groups >= 6 for card in report.outcome for finding in card.findings if finding.p is not None)
