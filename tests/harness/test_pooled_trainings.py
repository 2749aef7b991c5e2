"""Several trainings of one recipe are one arm, and their interval is over trainings, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.cli import main
from harness.compare.comparison import compare
from harness.compare.conclusions import conclusions
from harness.compare.pooled import compare_trainings
from tests.harness import gate_runs
from tests.harness.gate_runs import LEVERS, play

EPO = {"kind": "epo", "model": "s", "name": "epo@1"}
WORD = "something good"


pytestmark = pytest.mark.usefixtures("levers")


def played(folder: Path, number: int, points: int, weights: Path | None = None) -> str:
    """A run whose strategist is training `number`, worth so many points."""
    LEVERS.update(noise=1, salt=number, bonus={WORD: points})
    scripted = {"provider": "scripted", "function": "tests.harness.gate_runs:play_a_role"}
    run = play(folder / f"run-{number}", strategists=["vanilla", EPO], models={"m": scripted, "s": scripted})
    manifest = json.loads((run / "manifest.json").read_text())
    place = weights or folder / f"my-seed{number}"
    model = {"provider": "vllm", "model": f"{place}/fit/iteration-1/model"}
    manifest["config"]["models"]["s"] = model
    (run / "manifest.json").write_text(json.dumps(manifest))
    return str(run)


def three(folder: Path) -> tuple[str, list[str]]:
    runs = [played(folder, number, points) for number, points in ((1, 1), (2, 2), (3, 4))]
    return f"{runs[0]}#strategist=vanilla", [f"{run}#strategist=epo@1" for run in runs]


def test_three_trainings_are_one_arm_whose_interval_is_over_them(tmp_path: Path) -> None:
    first, seconds = three(tmp_path)
    (row,) = compare_trainings(first, seconds).rows
    singles = [compare(first, second).rows[0].result.estimate for second in seconds]
    d = row.result.estimate
    assert d.mean == pytest.approx(sum(each.mean for each in singles) / 3)
    assert d.high - d.low > 2 * max(each.high - each.low for each in singles)
    text = "\n".join(conclusions(compare_trainings(first, seconds)))
    assert "epo@1 (3 trainings)" in text
    assert f"3 trainings: {', '.join(f'{each.mean:+.2f}' for each in singles)}" in text
    assert "one training; another could give a different result" not in text


def test_the_command_takes_further_trainings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, (second, *further) = three(tmp_path)
    assert main(["compare", first, second, "--trainings", *further, "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert row["strategist_b"] == "epo@1 (3 trainings)"
    assert row["pairs"] == 3 * gate_runs.TASKS
    assert main(["compare", first, "--trainings", *further]) == 2


def test_a_training_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    one = played(tmp_path, 1, 1)
    again = played(tmp_path, 2, 1, weights=tmp_path / "my-seed1")
    with pytest.raises(BadInput, match="played the same training"):
        compare_trainings(f"{one}#strategist=vanilla", [f"{run}#strategist=epo@1" for run in (one, again)])


def test_trainings_of_two_recipes_are_refused_showing_the_difference(tmp_path: Path) -> None:
    first, seconds = three(tmp_path)
    for number in (1, 2, 3):
        config: dict[str, Any] = {
            "environments": [],
            "models": {},
            "seed": number,
            "fit": {"seed": number, "learning_rate": 0.1 if number < 3 else 0.2},
        }
        (tmp_path / f"my-seed{number}").mkdir()
        (tmp_path / f"my-seed{number}" / "training.json").write_text(json.dumps({"config": config}))
    assert compare_trainings(first, seconds[:2]).rows, "another seed is no other recipe"
    with pytest.raises(BadInput, match="not trainings of one recipe:\n  recipe.training.fit.learning_rate: 0.1 -> 0.2"):
        compare_trainings(first, seconds)


def test_untrained_arms_are_no_trainings(tmp_path: Path) -> None:
    runs = [str(play(tmp_path / name, strategists=["vanilla", EPO | {"model": "m"}])) for name in ("one", "two")]
    with pytest.raises(BadInput, match="nothing says that these are trained weights"):
        compare_trainings(f"{runs[0]}#strategist=vanilla", [f"{run}#strategist=epo@1" for run in runs])
