"""The answer: one sentence for each environment, from the verdict layer alone, first on the page and in the viewer."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agents.strategists import kind_of
from harness.compare.answers import answer_parts, environment_answers
from harness.compare.comparison import Family
from harness.compare.conclusions import finding, is_asked, unbeaten
from harness.compare.questions import uplift
from leaderboard.board import open_board
from leaderboard.page import render
from leaderboard.page.answer import QUESTION
from leaderboard.page.headings import HEADINGS
from tests.leaderboard.app_runs import open_page, shown, words
from tests.leaderboard.test_page import Page
from tests.shared_data import DEMO, ROOT, THREE_ENVIRONMENTS


@pytest.fixture(scope="module")
def family() -> Family:
    return uplift(str(THREE_ENVIRONMENTS))


def test_each_environment_has_one_answer_and_it_is_that_of_a_question(family: Family) -> None:
    answers = environment_answers(family)
    assert [each.place[0] for each in answers] == ["alfworld", "sotopia", "webshop"]
    for each in answers:
        row = family.rows[each.number]
        assert is_asked(row)
        assert each.sentence.startswith(answer_parts(family, each.number)[0].removesuffix("."))
        beaten = not unbeaten(family.beside.get(each.number, ()))
        assert (each.verdict == "helps") == (finding(row) == "higher" and beaten)
        assert each.sentence.endswith(" and to beat null and shuffled.") == (each.verdict == "helps")


def test_an_answer_about_a_script_says_so_at_once_and_names_the_model_s_result(family: Family) -> None:
    alfworld, sotopia, _ = environment_answers(family)
    assert alfworld.lead == "Yes, with a script as the actor"
    assert (
        "With smollm2, a language model, as the actor: 0.225 with epo-rl, +0.125 over vanilla (95 % interval -0.061 to +0.306), "
        "no difference shown." in alfworld.more
    )
    assert sotopia.lead == "No difference shown"


def test_a_gain_that_no_control_falls_short_of_says_so_in_its_sentence(family: Family) -> None:
    number = next(n for n, row in enumerate(family.rows) if is_asked(row) and finding(row) == "higher")
    controls = family.beside[number]
    as_good = tuple(replace(row, result=replace(row.result, p=1.0), p_holm=1.0) for row in controls)
    found = environment_answers(replace(family, rows=(family.rows[number],), beside={0: as_good}))
    assert found[0].sentence.endswith("shown to help, but not beyond null or shuffled.")


FIGURES = {
    "alfworld | builtin-test-many | solo | script:follow | epo": (
        *(0.25, 0.10360945627168827, 0.39900401480192116),
        *(0.001953125, 0.015625),
    ),
    "alfworld | builtin-test-many | solo | smollm2 | epo-rl": (
        *(0.125, -0.060737344004131444, 0.30550246523798696),
        *(0.2265625, 1.0),
    ),
    "sotopia | builtin-test | self-play | smollm2 | epo": (
        *(-0.5405405405405406, -2.230769230769231, 1.025),
        *(0.5242862701416016, 1.0),
    ),
    "sotopia | builtin-test | self-play | smollm2 | react": (
        *(-0.9605263157894737, -2.4705882352941178, 0.5),
        *(0.20844459533691406, 1.0),
    ),
    "webshop | builtin-test | solo | script:follow | epo-rl": (
        *(0.32125, 0.2236842105263158, 0.41739130434782606),
        *(9.999000099990002e-05, 0.000999900009999),
    ),
    "webshop | builtin-test | solo | script:follow | shuffled": (
        *(0.01, -0.058705768401763885, 0.07918361384959138),
        *(1.0, 1.0),
    ),
}
"""Difference, both ends of its interval, p and corrected p of questions of a committed run, as they were first computed."""


def test_figures_of_a_committed_run_stay_as_they_were() -> None:
    rows = {row.b.cell: row for row in uplift(str(THREE_ENVIRONMENTS)).rows}
    for cell, figures in FIGURES.items():
        estimate, row = rows[cell].result.estimate, rows[cell]
        found = (estimate.mean, estimate.low, estimate.high, row.result.p, row.p_holm)
        assert found == pytest.approx(figures, rel=1e-13)


def test_yes_is_said_only_where_an_arm_beats_the_controls(family: Family) -> None:
    """Without the one arm that does, the gain of another is not put down to what the strategies say."""
    kept = [
        number
        for number, row in enumerate(family.rows)
        if row.b.axes["environment"] == "alfworld" and row.b.axes["strategist"] != "epo-rl"
    ]
    beside = {place: family.beside[number] for place, number in enumerate(kept) if number in family.beside}
    (found,) = environment_answers(replace(family, rows=tuple(family.rows[n] for n in kept), beside=beside))
    assert found.verdict == "content"
    assert "not shown to beat shuffled" in " ".join(found.more)


def test_the_answer_is_about_a_model_though_a_rule_gains_more() -> None:
    family = uplift(str(DEMO))
    (found,) = environment_answers(family)
    row = family.rows[found.number]
    assert row.b.axes["strategist"].startswith("epo-rl") and found.verdict == "helps"
    best = max(filter(is_asked, family.rows), key=lambda each: each.result.estimate.mean)
    assert best.b.advised_by_a_rule and not row.b.advised_by_a_rule
    said = f"With {best.b.axes['strategist']}, a rule in the strategist's place, it is {best.mean_b:.3f}"
    assert any(each.startswith(said) for each in found.more)


def test_a_gain_without_any_control_says_so(family: Family) -> None:
    (number,) = [
        number
        for number, row in enumerate(family.rows)
        if (row.b.axes["environment"], row.b.axes["strategist"]) == ("webshop", "epo-rl")
    ]
    (found,) = environment_answers(Family((family.rows[number],), {0: ()}, (), ()))
    assert found.verdict == "helps"
    assert "No control was played" in " ".join(found.more)


def test_the_page_begins_with_the_question_and_its_answers(family: Family) -> None:
    text = render(open_board([THREE_ENVIRONMENTS]))
    page = Page(text)
    assert page.text["h1"] == QUESTION
    for each in environment_answers(family):
        assert each.sentence in text
    (card,) = [a["content"] or "" for tag, a in page.tags if tag == "meta" and a.get("property") == "og:description"]
    assert all(each.lead in card for each in environment_answers(family))


ORDER = ("answer", "ranking", "learning", "dialogues", "cost", "interface", "left-out", "again", "compared")


@pytest.mark.parametrize("run", [DEMO, THREE_ENVIRONMENTS], ids=lambda run: run.name)
def test_the_page_and_the_viewer_s_first_page_have_the_same_parts_in_the_same_order(run: Path) -> None:
    assert tuple(HEADINGS) == ORDER
    found = re.findall(r'<section id="([\w-]+)"><h2>(.*?)</h2>', render(open_board([run])))
    here = [name for name in ORDER if name != "learning"]
    assert [name for name, _ in found[: len(here)]] == here, "no training belongs to these runs"
    assert {"uplift", "matrix", "reading", "provenance"} <= {name for name, _ in found[len(here) :]}
    shown_there = re.findall(r"<h2>(.*?)</h2>", shown(open_page("answer", run)))
    assert shown_there == [heading for _, heading in found[1 : len(here)]]


def test_the_names_that_a_page_shows_are_explained_and_no_others() -> None:
    answer = render(open_board([DEMO])).partition('<section id="ranking"')[0]
    listed = answer[answer.index('<dl class="words">') :]
    said = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", listed))
    assert said["epo-rl, epo-rl-2, epo-rl-3"] == kind_of("epo-rl").description
    assert said["vanilla"] == f"the reference: {kind_of('vanilla').description}"
    assert said["rule"] == "epo with a rule in place of its model"
    assert said["solo"] == "one seat: the agent plays alone"
    assert "400 generated games" in said["builtin-test-many"]
    assert not {"self-play", "builtin-test"} & set(said)
    viewer = words(open_page("answer", DEMO))
    assert all(meaning in viewer for meaning in said.values() if "'" not in meaning)


def marks_in(text: str, section: str) -> list[tuple[str, bool]]:
    """Class and openness of each mark of a section's charts."""
    part = text[text.index(f'<section id="{section}"') :].partition("</section>")[0]
    found = re.findall(r'class="mark (c\d)( hollow)?"', part)
    return [(colour, bool(hollow)) for colour, hollow in found]


def test_an_open_mark_means_a_control_or_reference_on_every_chart_and_single_trainings_are_small() -> None:
    text = render(open_board([DEMO]))
    apart = {(colour, True) for colour, hollow in marks_in(text, "answer") if hollow}
    assert len(apart) == 4, "null, shuffled; script:plan, rule"
    for section in ("answer", "ranking", "cost", "uplift"):
        drawn = marks_in(text, section)
        assert {mark for mark in drawn if mark[1]} == apart, section
        assert sum(hollow for _, hollow in drawn) == 4, section
    assert text.count('class="label member"') == 3
    assert "Small marks: single trainings" in text


def test_the_page_shows_one_task_with_and_without_and_where_they_part() -> None:
    text = render(open_board([THREE_ENVIRONMENTS]))
    dialogues = text[text.index('<section id="dialogues"') : text.index('<section id="cost"')]
    assert dialogues.count("First divergence") == 2, "in one of the three pairs both do the same"
    assert "put some ladle on sinkbasin" in dialogues, "a task is shown by what it asks"
    assert "by progress" in dialogues, "the credit stands beside the strategy"
    assert dialogues.count('<span class="id">Episode ') == 6, "ids are small"
    assert dialogues.count('<span class="id">Task ') == 3


def test_turns_after_the_end_of_one_of_both_are_folded() -> None:
    text = render(open_board([DEMO]))
    grid = text[text.index('class="duel conv"') :]
    shown, _, folded = grid.partition('<details class="rest">')
    count = int(re.findall(r"^<summary>(\d+) more turns of A</summary>", folded)[0])
    assert shown.count("ended before") == 1
    assert folded.count("ended before") == count > 1


@pytest.mark.parametrize("run", [DEMO, THREE_ENVIRONMENTS], ids=lambda run: run.name)
def test_the_viewer_s_first_page_says_the_same(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    said = words(open_page("answer", run))
    for each in environment_answers(uplift(str(run))):
        assert each.sentence in said
    assert "First divergence" in said
    assert f"harness run results/{run.name} --name {run.name}-again" in said
    assert f"harness verify results/{run.name}" in said
    whole = re.findall(r'<a href="(\./episodes\?[^"]+)">Whole transcript</a>', shown(open_page("answer", run)))
    assert len(whole) == 2 * len(environment_answers(uplift(str(run))))


def test_runs_that_ask_nothing_say_what_a_question_needs(tmp_path: Path) -> None:
    from tests.leaderboard.test_page import play

    run = play(tmp_path / "run", strategists=["vanilla"], actors=["m"])
    assert "ask no question" in words(open_page("answer", run))
    assert "ask no question" in render(open_board([run]))
    assert "ask no question" not in render(open_board([run]), verdict=["run scores higher."])
