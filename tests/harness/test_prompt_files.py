"""Prompts of the user's own, in files beside the experiment: which run they make, what they may hold, and who hears them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.base.errors import BadInput
from harness.commands.listing import print_parts
from harness.experiment.experiment import Experiment, load_experiment
from harness.results.index import latest_episodes
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_manifest, read_record
from harness.runs.executors import Workforce
from harness.runs.manifest import build_manifest
from harness.runs.plan import Plan
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from harness.runs.scoring import Scoring
from tests.harness.builders import config

TERSE = "Advise $name in three words.\n\n$background\n"
JUDGE = "Score them.\n\n<<<MATERIAL $mark\n$material\nMATERIAL $mark>>>\n"
EPO: dict[str, Any] = {"kind": "epo", "name": "terse", "model": "m", "prompt": "prompts/terse.txt"}


def load(folder: Path, **changes: Any) -> Experiment:
    """The experiment of a file in a folder, beside which `prompts/terse.txt` lies."""
    write(folder / "prompts" / "terse.txt", TERSE)
    raw = config(**({"strategists": ["vanilla", EPO]} | changes))
    return load_experiment(folder / "e.yaml", yaml.safe_dump(raw), [])


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text)
    return path.name


def test_a_strategist_is_asked_with_the_prompt_of_its_file_wherever_it_plays(tmp_path: Path) -> None:
    for place, force in {"here": Workforce(), "workers": Workforce(workers=1)}.items():
        experiment = load(tmp_path)
        (tmp_path / "prompts" / "terse.txt").rename(tmp_path / "prompts" / "away.txt")
        with Run(experiment, tmp_path / place, workforce=force) as run:
            assert execute(run, Progress()).complete
        rows = [row for row in latest_episodes(tmp_path / place).values() if row["cell"].endswith("terse")]
        records = [read_record(tmp_path / place / EPISODES, row["offset"], EpisodeRecord) for row in rows]
        asked = [call for record in records for call in record.calls if call.role == "strategist"]
        assert asked and all(call.prompt.startswith("experiment/strategist/terse@") for call in asked)
        assert {call.messages[0].content.split("\n")[0] for call in asked if call.prefix == 0} <= {
            f"Advise {seat.name} in three words." for record in records for seat in record.seats
        }
        assert {call.prompt.split("/")[0] for record in records for call in record.calls if call.role == "actor"} == {
            "environments.sotopia"
        }
        assert "experiment/strategist/terse" in read_manifest(tmp_path / place)["prompts"]


def test_two_prompts_are_two_runs_and_the_same_text_elsewhere_is_the_same_run(tmp_path: Path) -> None:
    write(tmp_path / "other.txt", TERSE)
    write(tmp_path / "longer.txt", TERSE + "Be polite.\n")
    names = {
        file: load(tmp_path, strategists=[EPO | {"prompt": file}]).run_name
        for file in ("prompts/terse.txt", "other.txt", "longer.txt")
    }
    assert names["prompts/terse.txt"] == names["other.txt"] != names["longer.txt"]
    without = {key: value for key, value in EPO.items() if key != "prompt"}
    assert load(tmp_path, strategists=[without]).run_name not in names.values()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$background $nme", r"unknown field `\$nme`; allowed: \$background, .*Did you mean 'name'"),
        ("Be terse, $name.", r"the field \$background is missing; allowed: \$background"),
        ("$background costs $5", r"write `\$\$` for a dollar sign"),
    ],
)
def test_a_plan_refuses_a_field_that_is_unknown_or_missing(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path / "prompts" / "terse.txt", text)
    with pytest.raises(BadInput, match=f"(?s)terse.*{said}"):
        Plan(load(tmp_path))


ROLES: dict[str, tuple[dict[str, Any], str]] = {
    "no model to ask": ({"strategists": [{"kind": "null", "prompt": "prompts/terse.txt"}]}, "asks no model"),
    "an actor without a form": (
        {"actors": [{"model": "m", "prompt": "prompts/terse.txt"}]},
        r"\$format or \$available",
    ),
    "a judge without a frame": (
        {"judge": {"model": "m", "prompt": "bare.txt"}},
        "the line `<<<MATERIAL \\$mark` is missing",
    ),
}


@pytest.mark.parametrize(("changes", "said"), ROLES.values(), ids=ROLES)
def test_every_role_says_what_its_prompt_needs(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    write(tmp_path / "bare.txt", "$mark $material")
    with pytest.raises(BadInput, match=said):
        Plan(load(tmp_path, **changes))


def test_a_judge_with_a_prompt_of_its_own_is_another_judge(tmp_path: Path) -> None:
    write(tmp_path / "judge.txt", JUDGE)
    plan = Plan(load(tmp_path, judge=[{"model": "m"}, {"model": "m", "prompt": "judge.txt"}]))
    plan.open_models()
    scoring = Scoring(plan, plan.experiment.judges, "mean")
    assert len({judge.label for judge in scoring.judges}) == 2
    assert "experiment/judge/sotopia on m" in build_manifest(plan, scoring, "r")["prompts"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"strategists\.0\.prompt.*no file .*no\.txt.*relative to the experiment file"):
        load(tmp_path, strategists=[EPO | {"prompt": "no.txt"}])


def test_the_list_of_parts_names_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    print_parts()
    told = capsys.readouterr().out
    assert (
        "fields of its prompt: allowed: $background, $name, $partner, $available, $format; needed: $background" in told
    )
    assert "fields of its prompt: allowed: $mark, $material; needed: $mark, $material" in told
