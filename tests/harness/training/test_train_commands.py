"""`harness train prepare` and `harness train fit` as a user gives them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.cli import main
from harness.results.store import read_manifest
from harness.training.data.prepare import PrepareOptions
from harness.training.fit.options import LoraOptions, TrainOptions
from tests.extras import required
from tests.harness.builders import config
from tests.shared_data import ROOT

required("torch")
required("trl")

from tests.harness.training import played, tiny  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return played.play(tmp_path_factory.mktemp("run"))[0]


def test_a_run_becomes_data_and_data_a_checkpoint(
    run: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "prepare", str(run), "--tokenizer", str(model), "--out", str(tmp_path / "data")]) == 0
    said = capsys.readouterr().out
    assert "12 strategies in 4 rows" in said and "2 training tasks, 0 held out" in said
    assert "2 episodes in which no such strategist spoke" not in said  # vanilla has no rewards at all
    options = [
        "--option",
        "max_steps=1",
        "--option",
        "bf16=false",
        "--option",
        "lora.r=4",
        "--option",
        "accumulation=2",
    ]
    fit = ["train", "fit", str(tmp_path / "data"), "--model", str(model), "--out", str(tmp_path / "fit"), *options]
    assert main(fit) == 0
    assert f"{tmp_path / 'fit' / 'model'}: 1 step" in capsys.readouterr().out
    assert (tmp_path / "fit" / "model" / "adapter" / "adapter_config.json").exists()
    assert main(fit) == 0


WATCHED = """
import builtins, os, sys
real = builtins.__import__
def watched(name, *rest, **more):
    if name.partition(".")[0] == "torch" and "torch" not in sys.modules:
        print("torch, waiting", os.environ.get("OMP_WAIT_POLICY"), flush=True)
        os._exit(0)
    return real(name, *rest, **more)
builtins.__import__ = watched
from harness.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("source", ["data", "sharegpt"])
def test_torchs_threads_are_told_to_sleep_before_training_imports_torch(
    run: Path, model: Path, tmp_path: Path, source: str
) -> None:
    """Set after the import, it does nothing, and training on a machine that is busy takes several times as long."""
    data = tmp_path / "data"
    if source == "data":
        assert main(["train", "prepare", str(run), "--tokenizer", str(model), "--out", str(data)]) == 0
    else:
        data = tmp_path / "train.json"
        data.write_text(json.dumps([{"conversations": [{"from": "human", "value": "?"}]}]))
    fit = ["train", "fit", str(data), "--model", str(model), "--out", str(tmp_path / "fit")]
    unset = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", WATCHED, *fit], env=unset, capture_output=True, text=True, check=False)
    assert done.stdout == "torch, waiting passive\n", done.stderr


def test_epos_file_is_trained_on_directly(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [{"from": "human", "value": "?"}, {"from": "gpt", "value": "ask him", "score": "1.0"}]
    (tmp_path / "rl.json").write_text(json.dumps([{"conversations": turns}] * 3))
    options = ["--option", "max_steps=2", "--option", "bf16=false"]
    assert (
        main(
            ["train", "fit", str(tmp_path / "rl.json"), "--model", str(model), "--out", str(tmp_path / "fit"), *options]
        )
        == 0
    )
    assert "2 steps" in capsys.readouterr().out


@pytest.mark.parametrize("as_file", [True, False])
def test_the_tasks_of_a_held_out_run_or_experiment_are_refused(
    run: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], as_file: bool
) -> None:
    held = run
    if as_file:
        held = tmp_path / "experiment.yaml"
        held.write_text(yaml.safe_dump(config()))
    command = ["train", "prepare", str(run), "--tokenizer", str(model), "--out", str(tmp_path / "data")]
    assert main([*command, "--held-out", str(held)]) == 2
    assert "2 of the 2 training tasks are held out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--option", "layot=chat"], "unknown option 'layot'; .* Did you mean 'layout'"),
        (["--option", "gamma=2"], "option 'gamma': .*less than or equal to 1"),
        (["--option", "gamma"], "expected KEY.KEY=VALUE"),
        (["--held-out", "nowhere"], "--held-out nowhere: there is no such run"),
    ],
)
def test_a_wrong_argument_says_what_was_expected(
    run: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    command = ["train", "prepare", str(run), "--tokenizer", str(model), "--out", str(tmp_path / "data")]
    assert main([*command, *arguments]) == 2
    import re

    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "data").exists()


def test_a_tokenizer_or_run_that_is_not_there_is_named(
    run: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "prepare", str(run), "--tokenizer", str(tmp_path), "--out", str(tmp_path / "data")]) == 2
    assert "holds no tokenizer" in capsys.readouterr().err
    assert main(["train", "prepare", str(tmp_path), "--tokenizer", str(model), "--out", str(tmp_path / "data")]) == 2
    assert "is not a run" in capsys.readouterr().err
    assert read_manifest(run)["run"]


def test_the_page_names_every_option() -> None:
    page = (ROOT / "docs" / "training.md").read_text()
    for kind in (PrepareOptions, TrainOptions, LoraOptions):
        for name in kind.model_fields:
            assert f"`{name}`" in page or f"{name}:" in page, name
