"""Nothing that a person reads counts one thing in the plural."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.base.counts import counted
from harness.cli import main
from harness.compare.answers import answer
from harness.compare.questions import uplift
from tests.harness.gate_runs import LEVERS, play

pytestmark = pytest.mark.usefixtures("levers")

NOUNS = (
    "arms annotators attempts calls cells characters clusters comparisons differences episodes files games goals groups "
    "judgements labels levels lines models outcomes pairs questions records repeats rows runs scenarios scores seats seeds "
    "sequences steps strategies tasks tokens trainings transcripts turns"
).split()
ONE = re.compile(rf"(?<![\d.,/])1 (?:[a-z]+ )?(?:{'|'.join(NOUNS)})\b")


def test_one_is_singular_and_all_else_plural() -> None:
    assert [counted(number, "cell") for number in (0, 1, 2, 1200)] == ["0 cells", "1 cell", "2 cells", "1,200 cells"]
    assert [counted(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]


@pytest.mark.parametrize("strategists", [["vanilla"], ["vanilla", {"kind": "epo", "model": "m"}]])
def test_a_run_of_one_task_is_told_in_the_singular(
    strategists: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LEVERS.update(noise=1)
    spec = [{"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": 2}}]
    runs = [play(tmp_path / f"run{seed}", strategists=strategists, environments=spec, seed=seed) for seed in (1, 2)]
    baseline, page = tmp_path / "baseline.json", tmp_path / "page"
    commands = [
        ["leaderboard", str(runs[0])],
        ["spread", str(runs[0])],
        ["show", str(runs[0])],
        ["compare", str(runs[0]), str(runs[1]), "--allow", "seeds"],
        ["check", "--make-baseline", str(runs[0]), "--out", str(baseline)],
        ["check", "--baseline", str(baseline), "--candidate", str(runs[1]), "--allow", "seeds", "--markdown", "-"],
        ["share", str(runs[0]), "--out", str(page)],
        ["verify", str(runs[0])],
    ]
    if len(strategists) > 1:
        commands += [["compare", str(runs[0])], ["labels", "sample", str(runs[0]), "--n", "1"]]
    for command in commands:
        assert main(command) != 2, command
        out = capsys.readouterr()
        assert not ONE.findall(out.out + out.err), (command, out)
    text = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", (page / "index.html").read_text(), flags=re.S)
    assert not ONE.findall(text)


def test_a_single_control_is_no_plural(tmp_path: Path) -> None:
    LEVERS.update(noise=1, bonus={"something good": 2})
    strategists = ["vanilla", "null", {"kind": "epo", "model": "m"}]
    family = uplift(str(play(tmp_path / "run", strategists=strategists)))
    number = next(number for number, row in enumerate(family.rows) if not row.b.role)
    told = answer(family, number)
    assert "The control reached" in told and "epo beats it, so" in told
