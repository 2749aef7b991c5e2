"""`harness check` over several cells, baselines of several runs, and what may differ: the pooled verdict, the sentences, the port
of a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.base.errors import BadInput
from harness.cli import main
from harness.compare.arms import Arm, Arms, load_run
from harness.compare.baseline import baseline_text, make_baseline, read_baseline
from harness.compare.check_reports import as_json, junit, markdown
from harness.compare.check_words import explaining, verdict_lines
from harness.compare.regression import Check, check
from harness.compare.sources import load
from tests.harness.gate_runs import LEVERS, play
from tests.servers.openai_server import OpenAIServer
from tests.shared_data import ROOT

pytestmark = pytest.mark.usefixtures("levers")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A noisy run of 30 SOTOPIA tasks."""
    LEVERS.update(noise=1, salt=1)
    return play(tmp_path / "base")


def cells_of(arms: Arms, values: list[np.ndarray], name: str) -> Arms:
    """The run's one arm as many cells, each with goals of its own."""
    (arm,) = arms.arms.values()
    made: dict[str, Arm] = {}
    for number, goals in enumerate(values):
        cell = arm.cell.replace(" | m | ", f" | m{number} | ")
        made[cell] = replace(arm, cell=cell, source=name, outcomes={**arm.outcomes, "goal": goals})
    return Arms(name, arms.path, name, made)


def judged(run: Path, losses: list[float], max_drop: float, seed: int = 5) -> Check:
    """A check of as many cells as there are losses (points of 10); goals are whole numbers with a spread as judges have."""
    rng = np.random.default_rng(seed)
    arms = load_run(run)
    size = len(next(iter(arms.arms.values())))
    level = rng.normal(6, 1, size)

    def goals(loss: float) -> np.ndarray:
        return np.clip(np.rint(level - loss + rng.normal(0, 0.9, size)), 0, 10)

    base = cells_of(arms, [goals(0) for _ in losses], "baseline")
    return check(base, cells_of(arms, [goals(loss) for loss in losses], "candidate"), max_drop=max_drop)


def test_a_loss_of_a_third_of_a_point_in_eight_of_eight_cells_is_plain_together_and_in_no_cell_alone(run: Path) -> None:
    found = judged(run, [0.35] * 8, max_drop=0.0)
    assert [cell.verdict for cell in found.cells] == ["too few"] * 8
    assert (found.pooled.verdict, found.verdict, found.exit_code) == ("regressed", "regressed", 1)
    first, *_ = verdict_lines(found)
    assert first.startswith("❌ Regressed by more than 0: 8 cells together, difference -0.0")
    assert "cells are lower than in the baseline" in first


def test_an_allowed_drop_that_covers_it_passes_and_says_that_a_drop_is_shown(run: Path) -> None:
    found = judged(run, [0.35] * 8, max_drop=0.1)
    assert found.verdict == "pass"
    assert "A drop is shown, one that --max-drop 0.1 allows" in verdict_lines(found)[0]


def test_one_cell_of_eight_that_breaks_is_named_and_explains_the_verdict(run: Path) -> None:
    found = judged(run, [0.0] * 5 + [3.0] + [0.0] * 2, max_drop=0.05)
    assert found.verdict == "regressed"
    assert [cell.cell.split(" | ")[3] for cell in explaining(found)] == ["m5"]
    assert "in 1 of 8 cells" in verdict_lines(found)[0] or found.pooled.verdict == "regressed"


def test_cells_that_cannot_tell_alone_pass_together(run: Path) -> None:
    found = judged(run, [0.0] * 8, max_drop=0.04)
    assert {cell.verdict for cell in found.cells} >= {"too few"}
    assert (found.pooled.verdict, found.exit_code) == ("pass", 0)
    suite = ElementTree.fromstring(junit(found))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("9", "0", "0")
    assert int(suite.get("skipped", "0")) == sum(cell.verdict == "too few" for cell in found.cells)


def test_a_cell_without_outcomes_keeps_the_others_from_passing(run: Path) -> None:
    arms = load_run(run)
    size = len(next(iter(arms.arms.values())))
    whole = [np.full(size, 6.0)] * 30
    gone = [*whole[1:], np.full(size, np.nan)]
    found = check(cells_of(arms, whole, "baseline"), cells_of(arms, gone, "candidate"), max_drop=0.25)
    assert found.pooled.verdict == "pass", "one cell in thirty could be anything"
    assert found.verdict == "too few"
    assert [cell.cell for cell in explaining(found)] == [found.cells[-1].cell]
    assert "1 of 30 cells would speak against the candidate" in verdict_lines(found)[0]


def test_the_reports_begin_with_the_verdict_on_all_cells(run: Path) -> None:
    found = judged(run, [0.35] * 8, max_drop=0.0)
    lines = verdict_lines(found)
    assert lines[0] in markdown(found)
    suite = ElementTree.fromstring(junit(found))
    assert suite[0].get("name") == "all cells together"
    assert suite[0].find("failure") is not None
    whole = as_json(found)
    assert (whole["summary"], whole["pooled"]["verdict"]) == (lines, "regressed")
    assert set(whole["explained_by"]) <= {cell["cell"] for cell in whole["cells"]}
    assert json.dumps(whole, allow_nan=False)


def test_an_identical_candidate_gives_three_lines(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    again = play(tmp_path / "again")
    capsys.readouterr()
    command = ["check", "--baseline", str(run), "--candidate", str(again)]
    assert main([*command, "--max-drop", "0.01"]) == 3
    assert len(capsys.readouterr().out.strip().splitlines()) == 3, "there is nothing to explain"
    assert main([*command, "--max-drop", "0.2"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("✅ Pass, no drop of more than 0.2: difference +0.000, 90 % interval")
    assert "would have been seen with a chance of 80 %" in lines[1]
    assert "whole groups of tasks" in lines[1]
    assert lines[2].startswith("The baseline is one run, which cannot know its own luck")


def test_tolerance_is_the_old_name_and_the_report_says_what_it_means(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = play(tmp_path / "again")
    command = ["check", "--baseline", str(run), "--candidate", str(again)]
    assert main([*command, "--tolerance", "0.2"]) == main([*command, "--max-drop", "0.2"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "--tolerance 0.2 is the old name of --max-drop 0.2" in out
    assert main([*command, "--max-drop", "0.3", "--tolerance", "0.001"]) == 0
    assert main([*command, "--max-drop", "0", "--tolerance", "0.2"]) == 0, "as the two defaults were once written out"


def seeded(tmp_path: Path, *seeds: int) -> list[Path]:
    """Runs of one experiment with other seeds, whose judge says something else in each."""
    runs = []
    for seed in seeds:
        LEVERS.update(noise=1, salt=seed)
        runs.append(play(tmp_path / f"seed-{seed}", seed=seed))
    return runs


def test_a_baseline_of_several_runs_knows_its_luck(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    *runs, candidate = seeded(tmp_path, 1, 2, 3, 4)
    out = tmp_path / "baseline.json"
    assert main(["check", "--make-baseline", *map(str, runs), "--out", str(out)]) == 0
    assert "90 outcomes of 1 cell in 3 runs" in capsys.readouterr().out
    (arm,) = read_baseline(out).arms.values()
    (each,) = zip(*(load_run(path).arms.values() for path in runs), strict=True)
    assert arm.outcomes["goal"].mean() == pytest.approx(np.mean([one.outcomes["goal"].mean() for one in each]))
    result = check(load(out), load_run(candidate), max_drop=0.15)
    single = check(load_run(runs[0]), load_run(candidate), max_drop=0.15, allow=["seeds"])
    assert result.baseline_runs == 3
    assert result.pooled.result.allowance > 0 == single.pooled.result.allowance
    assert "The baseline is 3 runs" in verdict_lines(result)[2]
    assert "99 of 100 such baselines" in verdict_lines(result)[2]
    for member in runs:
        with pytest.raises(BadInput, match="compared with itself"):
            check(load(out), load_run(member))


def test_one_run_is_written_as_before_and_several_are_read_as_they_were_written(tmp_path: Path) -> None:
    runs = [load_run(path) for path in seeded(tmp_path, 1, 2)]
    one, two = baseline_text(make_baseline(runs[0])), baseline_text(make_baseline(*runs))
    assert json.loads(one)["format"] == 1
    assert not {"more_runs", "more"} & {*json.loads(one), *json.loads(one)["cells"][0]}
    assert json.loads(two)["format"] == 2
    (tmp_path / "two.json").write_text(two)
    (arm,) = read_baseline(tmp_path / "two.json").arms.values()
    assert len(arm.each_run()) == 2
    assert arm.facts["seeds"] == {"seed": [1, 2], "repeats": 1}


def test_runs_that_cannot_be_one_baseline_are_refused(tmp_path: Path) -> None:
    first, second = (load_run(path) for path in seeded(tmp_path, 1, 2))
    same = load_run(play(tmp_path / "same", seed=1))
    with pytest.raises(BadInput, match=r"has the same seed \(1\)"):
        make_baseline(first, same)
    twice = load_run(play(tmp_path / "twice", seed=3, repeats=2))
    with pytest.raises(BadInput, match="they differ in repeats"):
        make_baseline(first, second, twice)
    warm = load_run(play(tmp_path / "warm", seed=4, actors=[{"model": "m", "temperature": 0.1}]))
    with pytest.raises(BadInput, match="they differ in actor"):
        make_baseline(first, warm)
    more = load_run(play(tmp_path / "more", seed=5, strategists=["vanilla", "react"]))
    with pytest.raises(BadInput, match="only one of them has the cells"):
        make_baseline(first, more)


def test_a_copy_of_a_run_makes_no_baseline_of_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = seeded(tmp_path, 1)
    assert main(["check", "--make-baseline", str(run), str(run), "--out", str(tmp_path / "b.json")]) == 2
    assert "count every run once" in capsys.readouterr().err


def test_another_port_of_the_same_model_passes(tmp_path: Path) -> None:
    """As actor, strategist, judge and partner; an environment variable for the address, too."""
    runs = []
    for name in ("before", "after"):
        with OpenAIServer() as server:
            models = {"m": {"provider": "openai", "model": "small", "base_url": server.url, "api_key_env": None}}
            partner = {"actor": "m", "strategist": "vanilla"}
            parts = {"models": models, "strategists": ["vanilla", {"kind": "epo", "model": "m"}]}
            environment = {"name": "sotopia", "split": "builtin-test", "tasks": 6, "options": {"max_turns": 2}}
            runs.append(play(tmp_path / name, environments=[environment], pairings=["self-play", partner], **parts))
    addresses = [json.loads((run / "manifest.json").read_text())["config"]["models"]["m"]["base_url"] for run in runs]
    assert addresses[0] != addresses[1]
    out = tmp_path / "baseline.json"
    assert main(["check", "--make-baseline", str(runs[0]), "--out", str(out)]) == 0
    result = check(load(out), load_run(runs[1]), max_drop=0.7)
    assert result.verdict == "pass"
    assert not [line for line in result.reported if "base_url" in line or "127.0.0.1" in line]


def test_the_baseline_of_this_repository_is_read_and_held_against_its_own_outcomes() -> None:
    stored = load(ROOT / "results" / "baselines" / "gate.json")
    found = check(stored, replace(stored, fingerprint="another run"))
    assert (found.verdict, found.baseline_runs) == ("pass", 1)
    lost = {
        cell: replace(arm, outcomes={**arm.outcomes, "goal": 0 * arm.outcomes["goal"]}) if "vanilla" in cell else arm
        for cell, arm in stored.arms.items()
    }
    assert check(stored, replace(stored, fingerprint="another run", arms=lost)).verdict == "regressed"
