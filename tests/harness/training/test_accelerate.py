"""`accelerate launch` needs nothing of us: two processes over gloo train what one process trains."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from harness.training.fit.fit import FitResult, fit
from harness.training.fit.masters import masters_of
from harness.training.fit.options import TrainOptions
from tests.extras import required
from tests.shared_data import ROOT

torch = required("torch")
required("trl")
transformers = required("transformers")

from harness.training.fit.loss import Collator  # noqa: E402
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


FSDP_ON_A_CPU = """
import os, pathlib
if "LOCAL_RANK" in os.environ:
    import accelerate.accelerator as accelerator
    from accelerate.state import AcceleratorState, DistributedType, PartialState
    as_it_is, shard = AcceleratorState.__init__, accelerator.fsdp2_prepare_model
    def as_on_gpus(self, *arguments, fsdp_plugin=None, **keywords):
        as_it_is(self, *arguments, fsdp_plugin=fsdp_plugin, **keywords)
        if self.distributed_type is DistributedType.MULTI_CPU:
            self.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP
            self.fsdp_plugin = fsdp_plugin
    def seen(*arguments):
        from torch.distributed.tensor import DTensor
        model = shard(*arguments)
        parts = [p.to_local().numel() / p.numel() for p in model.parameters() if isinstance(p, DTensor)]
        pathlib.Path(os.environ["SEEN"] + os.environ["RANK"]).write_text(repr(parts))
        return model
    AcceleratorState.__init__, accelerator.fsdp2_prepare_model = as_on_gpus, seen
"""
"""What Python reads before anything else in the launched processes. accelerate 1.15 passes FSDP's settings over on CPUs and
trains with DDP instead, without a word; torch's FSDP itself works over gloo."""


ZERO_3_ON_A_CPU = """
import faulthandler, os, pathlib
if "LOCAL_RANK" in os.environ:
    faulthandler.dump_traceback_later(1200, exit=True)
    import deepspeed, sys
    from accelerate.state import DistributedType, PartialState
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    as_it_is, initialize = PartialState.__init__, deepspeed.initialize
    def as_on_gpus(self, cpu=False, backend=None, **keywords):
        as_it_is(self, **keywords)
    def seen(**keywords):
        assert any(hasattr(p, "ds_tensor") for p in keywords["model"].parameters()), "sharded while it was loaded"
        made = initialize(**keywords)
        parts = [p.ds_tensor.numel() / p.ds_numel for p in made[0].module.parameters()]
        pathlib.Path(os.environ["SEEN"] + os.environ["RANK"]).write_text(repr(parts))
        return made
    PartialState.__init__, deepspeed.initialize = as_on_gpus, seen
    PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_CPU)
"""
"""accelerate 1.15 has no backend for DeepSpeed on a CPU, and each of its processes then believes that it is alone. DeepSpeed
itself works over gloo (left out is what it compiles for faster sums). A process that hangs says where, and ends."""

LORA = {"lora": {"r": 4, "alpha": 8}}


def one_and_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, site_code: str, changes: dict[str, Any]
) -> tuple[FitResult, FitResult]:
    """What one process trains, and two with the shipped settings but for the number of processes, the precision and the
    processors."""
    site, seen = tmp_path / "site", tmp_path / "seen"
    site.mkdir()
    (site / "sitecustomize.py").write_text(site_code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(site)]))
    monkeypatch.setenv("SEEN", str(seen))
    shipped = yaml.safe_load((CPU.parent / recipe).read_text())
    small = tmp_path / recipe
    # accelerate launches without DeepSpeed where a file says use_cpu.
    processors = {} if shipped["distributed_type"] == "DEEPSPEED" else {"use_cpu": True}
    precision = "bf16" if changes.get("bf16") else "no"
    small.write_text(yaml.safe_dump(shipped | processors | {"num_processes": 2, "mixed_precision": precision}))
    start = tiny.save(tmp_path / "start")
    prepared(tmp_path / "data", count=8, sequences=2)
    shared = {**QUICK, "max_steps": 4, "save_steps": 2, **changes}
    one = fit(tmp_path / "data", start, TrainOptions(**shared, accumulation=4), tmp_path / "one")
    launch = ("--config_file", str(small), "--num_cpu_threads_per_process", "1", "--main_process_port", "0")
    two = fit(tmp_path / "data", start, TrainOptions(**shared, accumulation=2, launch=launch), tmp_path / "two")
    for rank in (0, 1):
        parts = ast.literal_eval(Path(f"{seen}{rank}").read_text())
        assert len(parts) > 15 and max(parts) <= 0.6, "every process holds its half of each weight"
    assert furthest(one.checkpoint, start) > 1e-3
    return one, two


OF_THE_DATA = ("mean_return", "weight", "zero_returns", "tokens", "rows")
OF_THE_MODEL = ("loss", "logprob", "kl", "grad_norm")


def assert_same(one: FitResult, two: FitResult) -> None:
    assert furthest(one.checkpoint, two.checkpoint) <= 1e-5
    for key in OF_THE_DATA + OF_THE_MODEL:
        assert [line[key] for line in two.curve] == pytest.approx([line[key] for line in one.curve], abs=1e-5), key


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, LORA], ids=["full", "lora"])
def test_two_processes_that_shard_the_model_give_the_result_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    assert_same(*one_and_two(tmp_path, monkeypatch, "fsdp.yaml", FSDP_ON_A_CPU, changes))


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, LORA], ids=["full", "lora"])
def test_two_processes_under_zero_3_give_the_result_of_one_and_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    with_deepspeed()
    assert_same(*one_and_two(tmp_path, monkeypatch, "deepspeed_zero3.yaml", ZERO_3_ON_A_CPU, changes))


@pytest.mark.slow
def test_zero_3_in_bfloat16_trains_on_the_weights_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSpeed rounds the model's own weights to bfloat16, one process computes in it: the same but for the rounding."""
    with_deepspeed()
    one, two = one_and_two(tmp_path, monkeypatch, "deepspeed_zero3.yaml", ZERO_3_ON_A_CPU, {"bf16": True})
    for key in OF_THE_DATA:
        assert [line[key] for line in two.curve] == pytest.approx([line[key] for line in one.curve], abs=1e-5), key
    for key in OF_THE_MODEL:
        assert [line[key] for line in two.curve] == pytest.approx([line[key] for line in one.curve], 0.05, 1e-3), key


@pytest.mark.slow
def test_zero_3_goes_on_from_float32_weights_and_leaves_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations of steps of 1e-5, of a model that is served in bfloat16: what rounding took would be 100 times as much."""
    with_deepspeed()
    site, config = tmp_path / "site", tmp_path / "zero3.yaml"
    site.mkdir()
    (site / "sitecustomize.py").write_text(ZERO_3_ON_A_CPU)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(site)]))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    shipped = yaml.safe_load((CPU.parent / "deepspeed_zero3.yaml").read_text())
    config.write_text(yaml.safe_dump(shipped | {"num_processes": 2}))
    launch = ("--config_file", str(config), "--num_cpu_threads_per_process", "1", "--main_process_port", "0")
    start = tiny.save(tmp_path / "start")
    transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.bfloat16).save_pretrained(start)
    prepared(tmp_path / "data", count=4)
    small = {"learning_rate": 1e-5, "max_steps": 2, "bf16": True, "track_kl": False, "launch": launch}
    places = [start]
    for number in (1, 2):
        options = TrainOptions(**QUICK | small)
        places.append(fit(tmp_path / "data", places[-1], options, tmp_path / f"fit-{number}").checkpoint)
    first, second = (masters_of(place) for place in places[1:])
    assert first is not None and second is not None
    assert 0 < furthest(first, start) < 1e-4 and 0 < furthest(second, first) < 1e-4
    assert furthest(first, places[1]) > 0, "served rounded"


def with_deepspeed() -> None:
    """DeepSpeed is in none of our extras: what needs it is skipped without it, STRICT or not."""
    if importlib.util.find_spec("deepspeed") is None:
        pytest.skip("deepspeed is not installed, and no extra of ours brings it: pip install deepspeed")


def test_deepspeed_does_not_round_what_the_loss_is_made_of() -> None:
    """transformers gives a batch's floats the type that DeepSpeed keeps the model in."""
    from harness.training.fit.trainer import StrategistTrainer

    plugin = SimpleNamespace(hf_ds_config=SimpleNamespace(dtype=lambda: torch.bfloat16))
    trainer: Any = object.__new__(StrategistTrainer)
    trainer.is_deepspeed_enabled = True
    trainer.args = SimpleNamespace(device=torch.device("cpu"))
    trainer.accelerator = SimpleNamespace(state=SimpleNamespace(deepspeed_plugin=plugin))
    reference = [-1.2345678]
    row = {"tokens": [[1, 2, 3]], "spans": [[0, 2, 3]], "weights": [0.1], "values": [0.2], "reference": reference}
    batch = Collator(0)([row])
    given = trainer._prepare_inputs(batch)
    assert given.keys() == batch.keys()
    assert all(given[name].dtype == batch[name].dtype and given[name].equal(batch[name]) for name in batch)


def test_the_checkpoint_is_written_by_one_process_while_zero_3_is_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers shards what is loaded then, and waits for processes that do not come (without DeepSpeed: imports it)."""
    from transformers.integrations import deepspeed

    from harness.results.leaks import TrainingTasks
    from harness.training.fit.checkpoint import STATES, finish

    start = tiny.save(tmp_path / "start")
    shutil.copytree(start, tmp_path / "out" / STATES / "checkpoint-1")
    in_force = SimpleNamespace(is_zero3=lambda: True, config={})
    monkeypatch.setattr(deepspeed, "_hf_deepspeed_config_weak_ref", lambda: in_force)
    assert deepspeed.is_deepspeed_zero3_enabled()
    state = tmp_path / "out" / STATES / "checkpoint-1"
    finish(state, start, TrainOptions(**QUICK), tmp_path / "out", TrainingTasks(description="", tasks=[]))
    assert furthest(tmp_path / "out" / "model", start) == 0


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
