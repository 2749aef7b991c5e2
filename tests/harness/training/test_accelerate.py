"""`accelerate launch` needs nothing of us: two processes over gloo train what one process trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.training.fit import TrainOptions, fit
from tests.extras import required
from tests.shared_data import ROOT

required("torch")
required("trl")

from tests.harness.training import tiny  # noqa: E402
from tests.harness.training.test_fit import QUICK, furthest, prepared  # noqa: E402

CONFIGS = sorted((ROOT / "recipes" / "accelerate").glob("*.yaml"))
CPU = ROOT / "recipes" / "accelerate" / "cpu.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"kl": 0.1, "clip": 0.2}])
def test_two_processes_give_the_result_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, float]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    start = tiny.save(tmp_path / "start")
    prepared(tmp_path / "data", count=8, sequences=2)
    shared = {**QUICK, "max_steps": 4, "save_steps": 2, **changes}
    one = fit(tmp_path / "data", start, TrainOptions(**shared, accumulation=4), tmp_path / "one")
    launch = ("--config_file", str(CPU), "--num_cpu_threads_per_process", "1", "--main_process_port", "0")
    two = fit(tmp_path / "data", start, TrainOptions(**shared, accumulation=2, launch=launch), tmp_path / "two")
    assert furthest(one.checkpoint, two.checkpoint) <= 1e-5
    assert furthest(one.checkpoint, start) > 1e-3
    for key in ("loss", "mean_return", "logprob", "weight", "kl", "zero_returns", "tokens", "rows"):
        assert [line[key] for line in two.curve] == pytest.approx([line[key] for line in one.curve], abs=1e-5), key


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_configs_are_read_by_accelerate(config: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    raw = yaml.safe_load(config.read_text())
    loaded = load_config_from_file(str(config))
    assert loaded.num_processes == raw["num_processes"]
    assert str(loaded.distributed_type).rpartition(".")[2] == raw["distributed_type"]


def test_the_configs_gather_whole_weights_for_the_checkpoint() -> None:
    settings = {path.stem: yaml.safe_load(path.read_text()) for path in CONFIGS}
    assert settings["fsdp"]["fsdp_config"]["fsdp_state_dict_type"] == "FULL_STATE_DICT"
    assert settings["deepspeed_zero3"]["deepspeed_config"]["zero3_save_16bit_model"] is True
