"""One run, and the same numbers of its ledger of the interface wherever they stand; and what older runs cannot tell."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.compare.arms import load_run
from harness.compare.baseline import baseline_text, make_baseline, read_baseline
from harness.compare.comparison import compare
from harness.compare.conclusions import conclusions, interface_sentences
from harness.exchange.tables import csv_table
from harness.results.store import EPISODES
from leaderboard.board import open_board
from leaderboard.page import render
from tests.harness.ledger_runs import THOUGHT, edited, play
from tests.shared_data import ROOT, THREE_ENVIRONMENTS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play(tmp_path_factory.mktemp("results") / "read")


def epo(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return next(row for row in rows if row["strategist"] == "epo")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


EXPECTED = {
    "strategist_replies": 48, "strategist_unreadable": 12, "strategist_mended": 0, "actor_replies": 48, "actor_unreadable": 0,
    "turns": 48, "turns_without_effect": 24, "reasoning_tokens": 6 * 8 * 2 * 7,
}  # fmt: skip
"""Of epo: 6 dialogues of 8 turns, a strategy and an answer each; 12 seats whose first strategy could not be read."""


def test_json_and_csv_have_every_count(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = epo(json.loads(said(capsys, "leaderboard", str(run), "--format", "json")))
    assert {name: row[name] for name in EXPECTED} == EXPECTED
    assert row["judge_replies"] == 6
    assert row["judge_unreadable"] == 0
    row = epo(list(csv.DictReader(io.StringIO(said(capsys, "leaderboard", str(run), "--format", "csv")))))
    assert float(row["strategist_unreadable"]) == EXPECTED["strategist_unreadable"]
    assert float(row["judge_unreadable"]) == 0


def test_the_ranking_has_columns_of_the_large_shares_alone(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heads, _, *rows = said(capsys, "leaderboard", str(run), "--format", "markdown").splitlines()
    names = [name.strip() for name in heads.strip("|").split("|")]
    found = {
        cells[names.index("strategist")]: cells
        for cells in ([c.strip() for c in r.strip("|").split("|")] for r in rows)
    }
    assert found["epo"][names.index("strategist unreadable")] == "25 %"
    assert found["vanilla"][names.index("strategist unreadable")] == "–", "it has no strategist"
    assert (found["epo"][-1], found["vanilla"][-1], names[-1]) == ("50 %", "0 %", "turns without effect")
    assert not {"actor unreadable", "strategist mended", "strategist refused"} & set(names)


def test_show_and_the_page_have_the_same_lines(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "show", str(run))
    (line,) = [line for line in shown.splitlines() if line.split()[:2] == ["strategist", "48"]]
    assert "12 (25 %)" in line
    page = html.unescape(re.sub(r"<[^>]*>", " ", render(open_board([run]))))
    for text in ("12 (25 %)", "24 (50 %)"):
        assert text in shown
        assert text in page


def test_the_export_sums_to_the_same(run: Path) -> None:
    table = csv_table(run)
    mine = table[table["strategist"] == "epo"]
    for name in ("strategist_replies", "strategist_unreadable", "turns_without_effect"):
        assert mine[name].sum() == EXPECTED[name]


def test_check_lists_both_sides(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline, again, report = tmp_path / "baseline.json", tmp_path / "again", tmp_path / "check.json"
    baseline.write_text(baseline_text(make_baseline(load_run(run))))
    shutil.copytree(run, again)
    edited(again, lambda record, call: call.update(read="ok"))
    manifest = json.loads((again / "manifest.json").read_text("utf-8"))
    (again / "manifest.json").write_text(json.dumps(manifest | {"run": "again", "created_at": "later"}), "utf-8")
    arguments = ["--baseline", str(baseline), "--candidate", str(again), "--json", str(report)]
    capsys.readouterr()
    main(["check", *arguments, "--markdown", str(tmp_path / "check.md"), "--junit", str(tmp_path / "check.xml")])
    cell = next(each for each in json.loads(report.read_text("utf-8"))["cells"] if each["cell"].endswith("epo"))
    before, after = cell["interface"]["baseline"], cell["interface"]["candidate"]
    assert (before["strategist_unreadable"], after["strategist_unreadable"]) == (12, 0)
    (warning,) = cell["warnings"]
    assert "strategies could not be read in 0 %" in warning
    for text in (capsys.readouterr().out, (tmp_path / "check.md").read_text(), (tmp_path / "check.xml").read_text()):
        assert "12 (25 %)" in text
        assert warning in text


def test_compare_says_before_the_verdict_in_what_the_arms_differ(run: Path) -> None:
    family = compare(f"{run}#strategist=vanilla", f"{run}#strategist=epo")
    first, second, verdict, *_ = conclusions(family)
    assert (
        first
        == "vanilla's turns had no effect in 0 %, epo's in 50 %: check the answers before you trust this difference."
    )
    assert second == "epo's strategies could not be read in 25 %: check the answers before you trust this difference."
    assert "epo" in verdict
    assert "group" in verdict
    page = html.unescape(re.sub(r"<[^>]*>", "", render(open_board([run]))))
    assert first in page
    assert page.index(first) < page.index("p, corrected")


def test_arms_that_differ_little_or_do_not_say_are_not_warned_of(run: Path, tmp_path: Path) -> None:
    whole = tmp_path / "older"
    shutil.copytree(run, whole)
    edited(whole, lambda record, call: (call.pop("read"), None)[1])
    vanilla, older = (load_run(whole).arms[cell] for cell in sorted(load_run(whole).arms, reverse=True))
    assert older.ledger is not None
    assert older.ledger.count("strategist", "unreadable") is None
    assert [line.split(" ")[1] for line in interface_sentences(vanilla, older)] == ["turns"]
    assert interface_sentences(older, older) == []


def test_show_prints_marks_and_folds_the_reasoning(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [json.loads(line) for line in (run / EPISODES).read_text("utf-8").splitlines()]
    episode = next(record["episode_id"] for record in records if record["strategist"] == "epo")
    short, full = said(capsys, "show", str(run), episode), said(capsys, "show", str(run), episode, "--full")
    assert short.count("[no effect]") == 4
    assert "could not be read (strategist): Strategy: plan 0 for seat 0" in short
    assert f"reasoning (actor): {len(THOUGHT):,} characters (--full shows it)" in short
    assert THOUGHT.strip() not in short
    assert THOUGHT.strip() in full


def test_what_a_run_of_version_0_1_cannot_tell_is_unknown() -> None:
    """It was played before anybody wrote down how answers were read."""
    arms = load_run(THREE_ENVIRONMENTS).arms
    ledger = arms["webshop | builtin-test | solo | smollm2 | vanilla"].ledger
    assert ledger is not None
    assert (ledger.count("actor", "unreadable"), ledger.count("actor", "replies")) == (157, 160), "the turns say so"
    assert ledger.count("actor", "mended") is None
    assert ledger.counts["turns_without_effect"] == 160
    baseline = read_baseline(ROOT / "results" / "baselines" / "gate.json")
    assert {arm.ledger for arm in baseline.arms.values()} == {None}
