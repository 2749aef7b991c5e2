"""LoRA adapters on the real SmolLM2: one base for many, through llama.cpp and transformers."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from agents.models import make_model
from agents.models.base import ChatReply
from agents.models.local.adapters import gguf_adapter, peft_adapter
from agents.models.local.convert_adapter import convert_adapter
from agents.models.local.gguf import SHIPPED
from agents.models.local.weights import smollm2_folder
from agents.models.providers.llamacpp import _SERVERS
from harness.base.errors import BadInput
from harness.cli import main
from tests.agents.models.conftest import ask
from tests.agents.models.lora import peft_folder

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(each) is None for each in ("torch", "transformers", "peft", "gguf", "xllamacpp"))
    and os.environ.get("STRICT") != "1",
    reason="torch, transformers, peft, gguf or xllamacpp is not installed (extras `train`, `local`)",
)

LLAMA = {"provider": "llamacpp", "model": SHIPPED, "context": 1024, "slots": 1, "threads": 2}
HERE = {"provider": "transformers", "model": SHIPPED, "args": {"dtype": "float32"}}
HOUSE = "The rules of this house: " + " ".join(f"rule {n} is to be kind to guest {n}." for n in range(12))
STREET = "A street has many doors: " + " ".join(f"behind door {n} lives a cat of {n} years." for n in range(12))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters as peft folders, each with its GGUF file beside it."""
    made = []
    for seed in (0, 1):
        folder = peft_folder(tmp_path_factory.mktemp("adapters") / f"a{seed}", seed=seed, strength=0.05)
        convert_adapter(folder, SHIPPED, folder.with_suffix(".gguf"))
        made.append(folder)
    return made


def asked(configs: dict[str, dict[str, Any]], calls: list[tuple[str, str]]) -> tuple[list[ChatReply], int]:
    """The replies to (model, question), one after the other, and the number of servers that gave them."""

    async def run() -> tuple[list[ChatReply], int]:
        models = {name: make_model(name, config) for name, config in configs.items()}
        replies = [
            await models[name].complete(ask(text, max_tokens=1, temperature=0.0, want_tokens=True))
            for name, text in calls
        ]
        servers = len(_SERVERS)
        for model in models.values():
            await model.close()
        return replies, servers

    return asyncio.run(run())


@pytest.mark.slow
@pytest.mark.llamacpp
def test_models_of_one_base_share_a_llama_cpp_server_and_answer_as_they_do_alone(folders: list[Path]) -> None:
    """Were it not for our settings, llama.cpp would go on with what it read of a prompt under another adapter: where it lies in
    the slot and the request names no adapter, and where it comes back from the memory of prompts. The first token's
    log-probability is another one then."""
    adapters = {str(number): {"adapter": str(each.with_suffix(".gguf"))} for number, each in enumerate(folders)}
    configs = {name: {**LLAMA, **more} for name, more in {"bare": {}, **adapters}.items()}
    # In the slot: the same prompt by one after the other. From memory: a prompt that another read, after a strange one.
    in_the_slot = [(name, HOUSE) for name in ("0", "bare", "1")]
    from_memory = [("0", STREET), ("0", HOUSE), ("bare", STREET), ("bare", HOUSE), ("1", STREET)]
    order = [*in_the_slot, *from_memory]
    together, servers = asked(configs, order)
    assert servers == 1
    expected = {
        (name, text): reply
        for name in configs
        for text, reply in zip(
            (HOUSE, STREET), asked({name: configs[name]}, [(name, HOUSE), (name, STREET)])[0], strict=True
        )
    }
    for call, reply in zip(order, together, strict=True):
        alone = expected[call]
        assert reply.logprobs and alone.logprobs and reply.token_ids and alone.token_ids
        assert reply.token_ids[0] == alone.token_ids[0], call
        assert reply.logprobs[0] == pytest.approx(alone.logprobs[0], abs=0.1), call
    assert len({round(reply.logprobs[0], 2) for reply in together[:3] if reply.logprobs}) == 3, "they differ"


def test_the_revision_is_the_adapters_content(tmp_path: Path) -> None:
    def revision(folder: Path) -> str | None:
        return make_model("m", {**HERE, "adapter": str(folder)}).revision

    one, other = peft_folder(tmp_path / "one", seed=1), peft_folder(tmp_path / "other", seed=2)
    before = revision(one)
    moved = one.rename(tmp_path / "moved")
    assert before is not None and before == revision(moved) != revision(other)
    old_words = make_model("m", {**HERE, "args": {"dtype": "float32", "adapter": str(other)}}).revision
    assert old_words == revision(other), "where older files name it"
    weights = moved / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    assert revision(moved) != before, "one bit in the middle of the file"


def test_an_adapter_that_is_not_there_or_another_bases_is_refused_when_the_model_is_made(tmp_path: Path) -> None:
    smollm2_folder()
    small = {f"model.layers.0.self_attn.{name}_proj.weight": (64, 64) for name in "qkvo"}
    strange = peft_folder(tmp_path / "strange", shapes=small)
    fitting = peft_folder(tmp_path / "fitting")
    converted = convert_adapter(fitting, SHIPPED, tmp_path / "fitting.gguf").path
    refused: list[tuple[dict[str, Any], str]] = [
        ({**HERE, "adapter": str(tmp_path / "none")}, "holds no adapter_config.json"),
        ({**HERE, "adapter": str(strange)}, r"strange was made for another base .*64×64.*192×576.*Name the base"),
        ({**HERE, "adapter": str(converted)}, "GGUF file, which llama.cpp reads; name the peft folder"),
        ({**HERE, "adapter": str(fitting), "args": {"adapter": str(fitting)}}, "say the same"),
        ({**LLAMA, "adapter": str(tmp_path / "none.gguf")}, "there is no adapter .*none.gguf"),
        ({**LLAMA, "adapter": str(fitting)}, "is a folder; .*harness models convert .*fitting"),
    ]
    for config, message in refused:
        with pytest.raises(BadInput, match=message):
            make_model("m", config)
    with pytest.raises(BadInput, match="another base"):
        convert_adapter(strange, SHIPPED, tmp_path / "strange.gguf")
    assert not (tmp_path / "strange.gguf").exists()


def test_what_llama_cpp_can_not_do_is_refused_by_the_conversion(tmp_path: Path) -> None:
    for config, said in (
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias"),
        ({"modules_to_save": ["x"]}, "modules"),
    ):
        with pytest.raises(BadInput, match=said):
            convert_adapter(peft_folder(tmp_path / "odd", **config), SHIPPED, tmp_path / "odd.gguf")
    with pytest.raises(BadInput, match="name it with --base"):
        convert_adapter(peft_folder(tmp_path / "odd", base_model_name_or_path="no/where"), None, tmp_path / "odd.gguf")


def test_the_command_converts_an_adapter_and_carries_its_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = peft_folder(tmp_path / "mine"), tmp_path / "out" / "mine.gguf"
    (folder / "training_tasks.json").write_text(json.dumps({"format": 1, "tasks": ["0" * 16]}))
    command = ["models", "convert", str(folder), "--out", str(out)]
    assert main([*command, "--dtype", "float16"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == str(out)
    half = out.stat().st_size
    assert main(command) == 0 and half < 0.6 * out.stat().st_size, "an adapter of the same command is written again"
    assert (out.parent / "mine.training_tasks.json").is_file()
    assert gguf_adapter(str(out), "m").rank == peft_adapter(str(folder), "m").rank == 4
    (tmp_path / "mine.gguf").write_text("my notes")
    assert main([*command[:-1], str(tmp_path / "mine.gguf")]) == 2
    assert "my notes" in (tmp_path / "mine.gguf").read_text()
