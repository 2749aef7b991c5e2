"""A training may begin with a data set that was there before: iteration 1 learns from it, and plays nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.base.errors import BadInput
from harness.results.leaks import CARD, read_training_tasks, task_hash
from harness.runs.progress import Progress
from harness.training.data.dataset import MANIFEST
from harness.training.data.prepare import tokenizer_hash
from harness.training.loop.config import TrainConfig
from harness.training.loop.selfplay import SelfPlay
from tests.extras import required

required("torch")
required("trl")

from tests.harness.training import configs, tiny  # noqa: E402
from tests.harness.training.test_fit import prepared  # noqa: E402


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("start"))


def training(start: Path, given: Path, folder: Path, **changes: Any) -> SelfPlay:
    environments = configs.training(start)["environments"][:1]
    raw = configs.training(
        start, iterations=1, begin_with=str(given), environments=environments, process=[], judge=None
    )
    raw |= {"held_out": {"beside": ["vanilla"]}, **changes}
    raw["fit"] = {**raw["fit"], "max_steps": 1, "accumulation": 2, "track_kl": False}
    return SelfPlay(TrainConfig.model_validate(raw), folder, Progress(Console(file=io.StringIO())))


def test_epo_s_published_file_is_iteration_1(tmp_path: Path, start: Path) -> None:
    turns = [("human", "You advise Ann."), ("gpt", "ask him"), ("human", "He left."), ("gpt", "offer apples")]
    item = {"conversations": [{"from": who, "value": text, "score": "0.99"} for who, text in turns]}
    (tmp_path / "rl.json").write_text(json.dumps([item] * 3))
    made = training(start, tmp_path / "rl.json", tmp_path / "out")
    assert [planned.stage for planned in made.planned()] == ["held-out-0", "data-1", "held-out-1"]
    rows = made.run()
    assert [(row.iteration, row.strategist) for row in rows] == [(0, "epo"), (1, "epo-rl@1")]
    assert rows[1].data is not None and rows[1].data["strategies"] == 6 and rows[1].data["episodes"] == {}
    assert rows[1].fit is not None and rows[1].fit["rows_per_step"] == 2
    assert not (tmp_path / "out" / "play").exists()
    again = training(start, tmp_path / "rl.json", tmp_path / "out")
    again.run()
    assert again.stages.done_now == 0
    (tmp_path / "rl.json").write_text(json.dumps([item] * 2))
    with pytest.raises(BadInput, match="the finished stage data-1 was made from something else"):
        training(start, tmp_path / "rl.json", tmp_path / "out").run()


def given(folder: Path, start: Path, **changes: Any) -> Path:
    prepared(folder, count=2)
    manifest = json.loads((folder / MANIFEST).read_text()) | {"tokenizer": tokenizer_hash(start)} | changes
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def test_a_prepared_folder_s_tasks_are_among_those_that_were_learnt_from(tmp_path: Path, start: Path) -> None:
    made = training(start, given(tmp_path / "data", start), tmp_path / "out")
    made.run()
    learnt = read_training_tasks(made.folder.checkpoint(1) / CARD)
    assert learnt == {task_hash("alfworld", "0"), task_hash("alfworld", "1")}, "and not those it would have played"


def test_a_data_set_that_cannot_be_begun_with_is_refused_before_anything_is_done(tmp_path: Path, start: Path) -> None:
    with pytest.raises(BadInput, match="prepared with another tokenizer or chat template"):
        training(start, given(tmp_path / "other", start, tokenizer="x"), tmp_path / "out")
    held_out = training(start, given(tmp_path / "data", start), tmp_path / "out").tasks[0].held_out[0]
    leaking = given(tmp_path / "leaking", start, train_tasks=[task_hash("alfworld", held_out.id)])
    with pytest.raises(BadInput, match=r"`begin_with: .*leaking` holds 1 of the held-out tasks"):
        training(start, leaking, tmp_path / "out")
    with pytest.raises(BadInput, match="harness train prepare"):
        training(start, tmp_path / "none", tmp_path / "out")
    with pytest.raises(ValueError, match="`begin_with` cannot be set with grpo"):
        training(start, leaking, tmp_path / "out", method="grpo", play={"repeats": 2, "temperature": 1.0})
    assert not (tmp_path / "out").exists()
