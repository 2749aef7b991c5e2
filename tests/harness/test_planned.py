"""`harness run --dry-run` says what a plan could show, and what half of it would take."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness.cli import main
from harness.compare.planned import FEWEST, Detectable, detectable
from harness.runs.plan import Plan
from harness.statistics import Outcomes, pair, paired_difference
from tests.harness import gate_runs
from tests.harness.gate_runs import LEVERS, play, small

EPO = {"kind": "epo", "model": "m"}


pytestmark = pytest.mark.usefixtures("levers")


def found(results: Path, **changes: object) -> list[Detectable]:
    return detectable(Plan(small(**changes)), results)


def test_every_strategist_is_asked_about_and_no_control(tmp_path: Path) -> None:
    one, other = found(tmp_path, strategists=["vanilla", "null", EPO, EPO | {"name": "other"}])
    assert [each.cell.strategist.label for each in (one, other)] == ["epo", "other"]
    assert {each.reference.strategist.label for each in (one, other)} == {"vanilla"}
    assert one.assumed and one.groups > FEWEST and one.episodes == gate_runs.TASKS


def test_more_questions_find_only_larger_differences(tmp_path: Path) -> None:
    (alone,) = found(tmp_path, strategists=["vanilla", EPO])
    among = found(tmp_path, strategists=["vanilla", EPO, *({**EPO, "name": f"e{n}"} for n in range(4))])
    assert all(each.smallest > alone.smallest for each in among)
    assert alone.half is not None and alone.half > 2 * alone.episodes


def test_pairs_of_an_earlier_run_stand_for_an_assumption(tmp_path: Path) -> None:
    LEVERS.update(noise=1, bonus={"something good": 2})
    play(tmp_path / "before", strategists=["vanilla", EPO])
    known, unknown = found(tmp_path, strategists=["vanilla", EPO, EPO | {"name": "other"}])
    assert (known.run, known.pairs, known.assumed) == ("before", gate_runs.TASKS, False)
    assert unknown.assumed
    assert known.half and unknown.half and known.half < unknown.half, (
        "the judge of that run scatters by one point alone"
    )
    assert known.counted and unknown.uncounted and not known.uncounted, "what is assumed knows no characters"


def test_few_groups_can_show_nothing(tmp_path: Path) -> None:
    spec = [{"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 2}}]
    (one,) = found(tmp_path, strategists=["vanilla", EPO], environments=spec)
    assert one.groups < FEWEST and math.isinf(one.smallest) and one.half is None


def test_an_assumed_difference_is_found_in_about_eight_of_ten(tmp_path: Path) -> None:
    (one,) = found(tmp_path, strategists=["vanilla", EPO])
    rng, hits, each = np.random.default_rng(7), 0, one.episodes / one.groups
    groups = np.repeat(np.arange(one.groups), max(1, round(each)))
    for _ in range(200):
        a, b = (
            np.clip(rng.normal(mean, 2.5, groups.size), 0, 10) for mean in (5 - one.smallest / 2, 5 + one.smallest / 2)
        )
        places = np.arange(groups.size)
        pairs = pair(Outcomes(groups, places, a), Outcomes(groups, places, b))
        hits += paired_difference(pairs, 0.0, 10.0).p < 0.05
    assert 0.7 <= hits / 200 <= 0.92


def test_the_dry_run_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(yaml.safe_dump(small(strategists=["vanilla", EPO]).model_dump(mode="json", exclude_defaults=True)))
    assert main(["run", str(file), "--dry-run", "--results", str(tmp_path / "results")]) == 0
    text = capsys.readouterr().out
    assert "What the plan could show: a true difference that is found in 80 %, at 5 %" in text
    assert "epo against vanilla" in text and "Assumed: an episode scatters" in text
    assert "† Characters that come again in several groups are not counted" in text
