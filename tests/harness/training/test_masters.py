"""Weights between iterations are float32, however the checkpoint is served; arguments reach the library, checked by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.training.fit.arguments import check_arguments
from harness.training.fit.options import TrainOptions, identity_of
from tests.extras import required

torch = required("torch")
transformers = required("transformers")
required("trl")

from harness.training.fit import base, trainer  # noqa: E402
from harness.training.fit.fit import fit  # noqa: E402
from harness.training.fit.masters import masters_of  # noqa: E402
from tests.harness.training import tiny  # noqa: E402
from tests.harness.training.test_fit import QUICK, furthest, prepared, weights  # noqa: E402

SMALL = {**QUICK, "learning_rate": 1e-5, "max_steps": 2, "accumulation": 2, "track_kl": False}
"""Steps of which bfloat16 holds nearly none."""


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A start in bfloat16."""
    folder = tiny.save(tmp_path_factory.mktemp("half"))
    transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


def iterations(tmp_path: Path, start: Path, name: str, count: int, **options: Any) -> Path:
    """The folder of the last of so many fits, each of which begins with the one before."""
    for number in range(count):
        out = tmp_path / f"{name}-{number}"
        start = fit(tmp_path / "data", start, TrainOptions(**(SMALL | options)), out).checkpoint
    return start


@pytest.mark.parametrize("lora", [None, {"r": 4, "alpha": 8}], ids=["full", "lora"])
def test_iterations_of_a_bfloat16_start_move_as_those_of_a_float32_one(tmp_path: Path, half: Path, lora: Any) -> None:
    prepared(tmp_path / "data", count=4)
    whole = tmp_path / "whole"
    transformers.AutoModelForCausalLM.from_pretrained(half, dtype=torch.float32).save_pretrained(whole)
    tiny.tokenizer().save_pretrained(whole)
    rate = {"lora": lora, "learning_rate": 1e-4 if lora else 1e-5}
    exact = iterations(tmp_path, whole, "exact", 2, **rate)
    served = iterations(tmp_path, half, "served", 2, **rate)
    masters = masters_of(served)
    assert masters is not None and masters_of(exact) is None, "float32 weights need no others beside them"
    assert furthest(masters, exact) == 0.0 and furthest(masters, half) > 0.0
    rounded = {name: tensor.to(torch.bfloat16) for name, tensor in weights(masters).items()}
    assert all(torch.equal(tensor, rounded[name]) for name, tensor in weights(served).items())


def test_masters_of_other_weights_are_refused(tmp_path: Path, half: Path) -> None:
    prepared(tmp_path / "data", count=2)
    made = iterations(tmp_path, half, "one", 1)
    tensors = made / "model.safetensors"
    tensors.write_bytes((half / "model.safetensors").read_bytes())
    with pytest.raises(BadInput, match="the float32 weights of another checkpoint than"):
        iterations(tmp_path, made, "two", 1)


def test_an_adapter_is_trained_in_float32_above_a_base_in_bfloat16(tmp_path: Path, half: Path) -> None:
    options = TrainOptions(lora={"r": 4, "base": "bfloat16"})
    assert {parameter.dtype for parameter in base.load_base(half, options).parameters()} == {torch.bfloat16}
    prepared(tmp_path / "data", count=2)
    made = iterations(tmp_path, half, "one", 1, lora={"r": 4, "alpha": 8, "base": "bfloat16"}, learning_rate=1e-3)
    from safetensors.torch import load_file

    adapter = load_file(made / "adapter" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in adapter.values()} == {torch.float32}


def test_a_quantised_base_needs_its_library(half: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"`fit\.lora\.base: 4bit` needs bitsandbytes"):
        base.load_base(half, TrainOptions(lora={"base": "4bit"}))


def test_arguments_reach_the_library_and_are_part_of_what_a_fit_is(tmp_path: Path, half: Path) -> None:
    given = {"optim": "adafactor", "adam_beta2": 0.95, "attn_implementation": "eager"}
    options = TrainOptions(**QUICK, arguments=given)
    made = trainer._arguments(options, tmp_path)
    assert (str(made.optim).rpartition(".")[2].lower(), made.adam_beta2) == ("adafactor", 0.95)
    assert base.load_base(half, options).config._attn_implementation == "eager"
    assert identity_of(options)["arguments"] == given
    assert "arguments" not in identity_of(TrainOptions()), "a fit without any keeps its name"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("optimm", r"`fit\.arguments\.optimm`: .* have no such name.*optim"),
        ("learning_rate", r"this is `fit\.learning_rate`"),
        ("gradient_accumulation_steps", r"this is `fit\.accumulation`"),
        ("output_dir", "is set by the trainer itself"),
        ("hub_token", "is set by the trainer itself"),
    ],
)
def test_an_argument_that_cannot_be_given_is_refused_by_name(name: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check_arguments({name: 1})
