"""Each managed model has the GPUs that its config names, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.models.config import LlamaCppConfig, VllmConfig
from agents.models.local.child import visible
from agents.models.providers import llamacpp, vllm_provider
from harness.base.errors import BadInput
from harness.experiment.identity import model_identity


def vllm(**options: Any) -> VllmConfig:
    config = VllmConfig(model="some/model", **options)
    vllm_provider.check_args(config, "m")
    return config


def test_servers_on_other_gpus_are_others_and_see_only_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_provider, "vllm_python", lambda config, name: "/usr/bin/python3")
    specs = [vllm_provider.spec_of(vllm(gpus=gpus, args={"data-parallel-size": 2}), "m") for gpus in ([0, 1], [2, 3])]
    assert [visible(spec.gpus) for spec in specs] == [{"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "2,3"}]
    assert specs[0].folder != specs[1].folder
    one, other = (llamacpp.spec_of(LlamaCppConfig(gpus=gpus), Path("x.gguf")) for gpus in ([0], [1]))
    assert one != other and visible(one.gpus) == {"CUDA_VISIBLE_DEVICES": "0"} and "gpus" not in one.options
    assert visible(llamacpp.spec_of(LlamaCppConfig(), Path("x.gguf")).gpus) == {}


@pytest.mark.parametrize(
    "args", [{}, {"tensor-parallel-size": 4}, {"tensor_parallel_size": 2, "data-parallel-size": 2}]
)
def test_gpus_that_the_server_would_not_use_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"model 'm': gpus \[0, 1\]: 2 GPUs, and args .* use"):
        vllm(gpus=[0, 1], args=args)


def test_where_a_model_is_served_changes_no_output() -> None:
    entry = {"provider": "vllm", "model": "some/model", "args": {}}
    assert model_identity({**entry, "gpus": [0]}) == model_identity(entry)
