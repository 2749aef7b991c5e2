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
from harness.judging.cards.cards import Card
from harness.judging.cards.report import judge_report
from harness.judging.judges.copies import FILLER, padded, renamed, silenced, swapped
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import experiment
from tests.harness.judging.test_process import DIALOGUE
from tests.shared_data import ROOT

PLANTED = "examples.planted_judges"


def models(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"provider": "scripted", "function": f"{PLANTED}:{name}"} for name in names}


JUDGES = (
    "good",
    "nearly_good",
    "prefers_the_first",
    "prefers_the_long",
    "prefers_some_names",
    "throws_dice",
    "often_silent",
    "always_the_same",
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
    made = models("teller", *JUDGES)
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
    assert (card.finding("attention").value or 0) > 2
    assert card.finding("unscored").value == 0
    agreement = card.finding("agreement").value
    assert agreement is not None
    assert 0.9 < agreement < 1.0
    assert card.finding("calls").value == 1.0


@pytest.mark.parametrize(
    ("name", "fault", "at_least"),
    [
        ("prefers_the_first", "position bias", 2.0),
        ("prefers_the_long", "length bias", 2.0),
        ("prefers_some_names", "name bias", 0.5),
        ("throws_dice", "flips", 0.2),
        ("often_silent", "unscored", 0.2),
    ],
)
def test_a_planted_fault_is_caught_by_its_own_figure_and_by_no_other(
    judged: Judged, name: str, fault: str, at_least: float
) -> None:
    card = card_of(judged(name), name)
    # Dice are thrown without a look at the episode.
    assert card.bad == (["attention", fault] if name == "throws_dice" else [fault])
    value = card.finding(fault).value
    assert value is not None
    assert value >= at_least


def test_a_judge_that_always_says_the_same_has_no_bias_and_a_bad_card(judged: Judged) -> None:
    card = card_of(judged("always_the_same"), "always_the_same")
    assert card.bad == ["attention", "sameness"]
    assert card.finding("flips").value == 0


def test_a_judge_that_throws_dice_agrees_with_nobody(judged: Judged) -> None:
    report = judge_report([judged("good", "nearly_good", "throws_dice")])
    alphas = {frozenset((pair.one.split("/")[1], pair.other.split("/")[1])): pair.alpha for pair in report.pairs}
    assert (alphas[frozenset(("good", "nearly_good"))] or 0) > 0.9
    assert abs(alphas[frozenset(("good", "throws_dice"))] or 0) < 0.45
    dice = next(card for card in report.outcome if "throws_dice" in card.judge)
    assert dice.finding("agreement").verdict == "BAD"
    assert report.alpha_ordinal is not None
    assert report.alpha_interval is not None


def test_a_good_judge_is_not_blamed_for_those_beside_it(judged: Judged) -> None:
    three = {
        card.judge.split("/")[1]: card for card in judge_report([judged("good", "nearly_good", "throws_dice")]).outcome
    }
    assert three["good"].bad == three["nearly_good"].bad == []
    one_of_two = card_of(judged("good", "throws_dice"), "good").finding("agreement")
    assert one_of_two.verdict == "unsure"
    assert "which is wrong" in one_of_two.note


def test_what_was_not_measured_says_how_to_measure_it(base: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(base, run)
    main(["judge", str(run), "--judge", "good"])
    card = card_of(run, "good")
    assert card.bad == []
    for name in ("flips", "attention", "position bias", "length bias", "name bias"):
        assert card.finding(name).verdict == "not measured"
        assert card.finding(name).note.startswith("harness judge RUN --judge M")


def test_few_scenarios_give_no_verdict_on_bias(tmp_path: Path) -> None:
    world = {"name": "sotopia", "split": "builtin", "tasks": one_task_per_scenario(3), "options": {"max_turns": 4}}
    run = play(tmp_path / "run", environments=[world], models=models("teller", "good"), actors=["teller"])
    main(["judge", str(run), "--judge", "good", "--again", "1", "--copies", "all"])
    finding = card_of(run, "good").finding("position bias")
    assert finding.verdict == "unsure"
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
        models=models("obedient", "advisor", *names),
        actors=["obedient"],
        strategists=[{"kind": "epo", "model": "advisor"}],
        process=["progress", *({"method": "critical", "model": name} for name in names)],
    )


def test_step_credit_is_measured_against_the_real_advance_and_the_verified_outcome(houses: Path) -> None:
    cards = {card.judge.split("/")[1]: card for card in judge_report([houses]).process}
    good = cards["good_critic"]
    assert good.bad == []
    assert good.finding("AUROC progress").value == 1.0
    assert (good.finding("AUROC outcome").value or 0) > 0.6
    assert good.finding("AUROC replay").verdict == "not measured"
    contrary = cards["contrary_critic"].finding("AUROC progress")
    assert (contrary.value, contrary.verdict) == (0.0, "BAD")
    dice = cards["dice_critic"].finding("AUROC progress")
    assert dice.value is not None
    assert abs(dice.value - 0.5) < 0.15
    assert dice.verdict != "ok"


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
    bad = {card.judge.split("/")[1]: card.bad for card in (*report.outcome, *report.process)}
    assert bad == {
        "good": [],
        "prefers_the_first": ["position bias"],
        "good_critic": [],
        "dice_critic": ["AUROC progress"],
    }
    assert all(finding.groups >= 6 for card in report.outcome for finding in card.findings if finding.p is not None)
