"""`replay` with a horizon: what a strategy changed at its own turn, by the world's own progress."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main

EXPERIMENT = """
name: horizon
environments: [{{name: alfworld, split: builtin-train-many, tasks: 4, options: {{prompts: notes, max_steps: 6}}}}]
actors: ["script:{actor}"]
strategists: ["script:plan"]
process: [progress, {{method: replay, options: {{horizon: 1, against: {against}, n: 1}}}}]
"""


def credits(folder: Path, actor: str, against: str) -> dict[str, dict[tuple[str, int], float]]:
    file = folder / "experiment.yaml"
    file.write_text(EXPERIMENT.format(actor=actor, against=against))
    assert main(["run", str(file), "--results", str(folder), "--name", "run"]) == 0
    found: dict[str, dict[tuple[str, int], float]] = {"progress": {}, "replay": {}}
    for line in (folder / "run" / "process_rewards.jsonl").read_text().splitlines():
        record: dict[str, Any] = json.loads(line)
        for each in record["rewards"]:
            found[record["method"]][record["episode_id"], each["turn"]] = round(each["reward"], 9)
    return found


@pytest.mark.parametrize("against", ["stored", "replayed"])
def test_where_nothing_happens_without_it_a_strategy_is_worth_the_progress_of_its_turn(
    tmp_path: Path, against: str
) -> None:
    found = credits(tmp_path, "follow", against)  # without a strategy it looks around
    assert found["replay"] == found["progress"]
    assert any(found["replay"].values())


def test_a_strategy_is_worth_nothing_where_the_actor_does_as_well_without_it(tmp_path: Path) -> None:
    found = credits(tmp_path, "follow-advice", "stored")  # without a strategy it does the expert's command
    assert any(found["progress"].values())
    assert not any(found["replay"].values())
