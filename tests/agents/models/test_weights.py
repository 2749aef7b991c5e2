"""From a GGUF file to a Hugging Face folder: the real SmolLM2, held against llama.cpp on the same file."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agents.models.local import weights
from agents.models.local.gguf import gguf_path
from agents.models.local.weights import (
    SMOLLM2,
    convert,
    folder_revision,
    llamacpp_tokens,
    quantised,
    smollm2_folder,
    weights_of,
)
from harness.base.errors import BadInput
from harness.base.seeds import sha256_of
from harness.cli import main
from tests.agents.models.conftest import ask, complete, prompt_ids

needs_packages = pytest.mark.skipif(
    any(importlib.util.find_spec(package) is None for package in ("torch", "transformers", "gguf", "xllamacpp"))
    and os.environ.get("STRICT") != "1",
    reason="torch, transformers, gguf or xllamacpp is not installed (extras `train`, `local`)",
)


@pytest.fixture(scope="module")
def folder() -> Path:
    return smollm2_folder()


def _odd_texts(number: int) -> list[str]:
    rng = random.Random(3)
    ranges = [(32, 127), (48, 58), (9, 14), (32, 33), (160, 0x2000), (0x4E00, 0x4F00), (0x1F300, 0x1F600)]
    return ["".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(40)) for _ in range(number)]


@needs_packages
def test_the_tokeniser_is_llama_cpps(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [*weights.SAMPLES, *_odd_texts(200), "<|im_start|>assistant\n<|endoftext|><repo_name>12"]
    expected = llamacpp_tokens(gguf_path(SMOLLM2, "m"), texts)
    different = [
        text
        for text, tokens in zip(texts, expected, strict=True)
        if tokenizer(text, add_special_tokens=False)["input_ids"] != tokens
    ]
    assert not different
    tokenizer.backend_tokenizer.pre_tokenizer = __import__("tokenizers").pre_tokenizers.ByteLevel(False)
    assert any(
        tokenizer(t, add_special_tokens=False)["input_ids"] != e for t, e in zip(texts, expected, strict=True)
    ), "the texts must tell a wrong pre-tokeniser from the right one"


@needs_packages
def test_prompts_and_log_probabilities_are_those_of_llama_cpp_but_for_its_rounding(folder: Path) -> None:
    """llama.cpp multiplies Q4_1 weights with activations rounded to 8 bits, so its numbers are near, not equal."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    question = "Name three colours, and say 2 + 2."
    (reply,) = complete(
        {"provider": "llamacpp", "context": 512, "slots": 1}, ask(question, max_tokens=40, want_tokens=True)
    )
    assert reply.token_ids and reply.logprobs
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = prompt_ids(tokenizer, question)
    assert len(prompt) == reply.prompt_tokens
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([[*prompt, *reply.token_ids]])
    with torch.no_grad():
        scores = torch.log_softmax(model(ids).logits[0, len(prompt) - 1 : -1], dim=-1)
    chosen = torch.tensor(reply.token_ids)
    ours = scores.gather(1, chosen[:, None])[:, 0]
    assert (ours - torch.tensor(reply.logprobs)).abs().mean() < 0.1
    assert (scores.argmax(1) == chosen).float().mean() >= 0.9


@needs_packages
def test_the_folder_the_card_and_the_command_say_that_the_weights_are_dequantised(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "convert"]) == 0
    said = capsys.readouterr().out
    assert (
        said.splitlines()[0] == str(folder) and "dequantised from SmolLM2-135M-Instruct.Q4_1.gguf (Q8_0, Q4_1" in said
    )
    assert "**dequantised**" in (folder / "README.md").read_text()
    origin = json.loads((folder / "converted.json").read_text())
    assert origin["tensor_types"]["Q4_1"] == 210 and origin["tokenizer_checked_against_llamacpp"]
    config = json.loads((folder / "config.json").read_text())
    assert "quantization_config" not in config and config["rms_norm_eps"] == 1e-5
    assert (quantised(folder) or "").startswith("dequantised")


def _fake_writer(gguf: Path, folder: Path, dtype: str) -> dict[str, Any]:
    """The steps of a conversion without its minute: one file, a pause in which it can be killed, another file."""
    (folder / "config.json").write_text("{}")
    time.sleep(float(gguf.read_text()))
    (folder / "model.safetensors").write_bytes(b"weights")
    facts = {"name": "fake", "licence": None, "tensor_types": {"Q4_1": 1}, "tokenizer_checked_against_llamacpp": False}
    sha = sha256_of(gguf)
    return {"gguf": gguf.name, "gguf_bytes": gguf.stat().st_size, "gguf_sha256": sha, "dtype": dtype, **facts}


CONVERT = """
import sys
from pathlib import Path
from agents.models.local import weights
from tests.agents.models.test_weights import _fake_writer
weights._write_folder, weights._need_packages = _fake_writer, lambda: None
weights.convert(Path(sys.argv[1]), Path(sys.argv[2]))
print("converted", flush=True)
"""


def _parts(out: Path) -> list[Path]:
    return list(out.parent.glob(f".{out.name}.*.part"))


def test_a_killed_conversion_leaves_no_half_folder_and_the_next_one_clears_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf, out = tmp_path / "m.gguf", tmp_path / "home" / "model"
    gguf.write_text("60")
    child = subprocess.Popen([sys.executable, "-c", CONVERT, str(gguf), str(out)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not any((part / "config.json").exists() for part in _parts(out)) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert _parts(out) and not out.exists()
    gguf.write_text("0")
    monkeypatch.setattr(weights, "_write_folder", _fake_writer)
    monkeypatch.setattr(weights, "_need_packages", lambda: None)
    assert convert(gguf, out) == out
    assert (out / "model.safetensors").exists() and not _parts(out)


def test_two_processes_that_convert_at_a_time_do_it_once(tmp_path: Path) -> None:
    gguf, out = tmp_path / "m.gguf", tmp_path / "model"
    gguf.write_text("0.5")
    command = [sys.executable, "-c", CONVERT, str(gguf), str(out)]
    children = [subprocess.Popen(command, stdout=-1, stderr=-1, text=True) for _ in range(2)]
    said = [child.communicate(timeout=300) for child in children]
    assert [output for output, _ in said] == ["converted\n"] * 2
    assert sum("(once)" in errors for _, errors in said) == 1


def test_another_file_or_a_folder_of_somebody_elses_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_write_folder", _fake_writer)
    monkeypatch.setattr(weights, "_need_packages", lambda: None)
    gguf, out = tmp_path / "m.gguf", tmp_path / "model"
    gguf.write_text("0")
    convert(gguf, out)
    with pytest.raises(BadInput, match="another dtype \\(bfloat16\\)"):
        convert(gguf, out, "float32")
    gguf.write_text("0.0")
    with pytest.raises(BadInput, match="made from another file"):
        convert(gguf, out)
    (tmp_path / "mine").mkdir()
    with pytest.raises(BadInput, match="was not made by `harness models convert`"):
        convert(gguf, tmp_path / "mine")


@needs_packages
def test_a_file_that_is_no_model_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    gguf = tmp_path / "broken.gguf"
    gguf.write_bytes(b"this is not a model, but long enough to be read as one")
    with pytest.raises(BadInput, match="broken.gguf cannot be read as a GGUF file"):
        convert(gguf, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not _parts(tmp_path / "out")
    assert main(["models", "convert", str(tmp_path / "none.gguf")]) == 2


def test_names_and_paths_of_weights(tmp_path: Path) -> None:
    model = tmp_path / "checkpoint"
    model.mkdir()
    (model / "config.json").write_text("{}")
    assert weights_of(str(model), "m") == str(model)
    assert weights_of("owner/name-on-the-hub", "m") == "owner/name-on-the-hub"
    (tmp_path / "m.gguf").write_text("")
    for bad in (str(tmp_path / "none"), "smolm2-135m-instruct", "./none", str(tmp_path)):
        with pytest.raises(BadInput, match="model 'm': .* is neither a folder"):
            weights_of(bad, "m")
    with pytest.raises(BadInput, match="is a file.*models convert"):
        weights_of(str(tmp_path / "m.gguf"), "m")


def test_the_revision_tells_weights_apart_and_not_where_they_lie(tmp_path: Path) -> None:
    def made(name: str, content: bytes) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(content)
        return tmp_path / name

    assert (
        folder_revision(made("a", b"one")) == folder_revision(made("b", b"one")) != folder_revision(made("c", b"two"))
    )
    assert folder_revision(tmp_path) is None
