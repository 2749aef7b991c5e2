"""`harness evaluate` with real weights in every form it takes: a Hugging Face folder, a PEFT adapter's folder over its base, a
name of llama.cpp's, and the address of a server that has the model."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.models.local.gguf import SHIPPED, gguf_path
from agents.models.local.headers import folder_shapes
from harness.cli import main
from harness.results.store import read_manifest
from tests.agents.models.lora import peft_folder
from tests.harness.training import tiny
from tests.shared_data import ROOT
from tests.task_cards import write_training_tasks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(each) is None for each in ("torch", "transformers", "peft", "xllamacpp"))
        and os.environ.get("STRICT") != "1",
        reason="torch, transformers, peft or xllamacpp is not installed (extras `train`, `local`)",
    ),
]
SMALL = ["--option", "alfworld.max_steps=2", "--max-tokens", "6", "--at-once", "2"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny.save(tmp_path / "base", max_position_embeddings=16384)


def evaluate(capsys: pytest.CaptureFixture[str], *words: object, tasks: int = 2, code: int = 0) -> str:
    """All that the command says, after it ended with that exit code."""
    found = main(["evaluate", *map(str, words), "--tasks", str(tasks), *SMALL])
    out = capsys.readouterr()
    assert found == code, out.out + out.err
    return out.out + out.err


def tasks_of(run: Path) -> list[str]:
    lines = (run / "episodes.jsonl").read_text("utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)["task_id"] for line in lines))


@pytest.mark.parametrize("role", ["actor", "strategist"])
def test_a_folder_of_weights_beside_its_base(
    role: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tiny.save(tmp_path / "trained", seed=1, max_position_embeddings=16384)
    said = evaluate(capsys, trained, "--base", base, "--as", role)
    assert f"Verdict on trained as {role}, against its base base: too few groups of tasks to tell." in said
    assert "Nobody says what trained was trained on" in said
    [run] = Path("results").iterdir()
    tasks = tasks_of(run)
    assert len(tasks) == 2
    write_training_tasks(trained, [("alfworld", tasks[0])])
    refused = evaluate(capsys, trained, "--base", base, "--as", role, code=2)
    assert tasks[0] in refused and "--allow-leak" in refused
    said = evaluate(capsys, trained, "--base", base, "--as", role, "--allow-leak")
    assert "It was trained on 1 of these tasks (training_tasks.json says so)" in said


@pytest.mark.parametrize("role", ["actor", "strategist"])
def test_a_peft_adapter_names_its_base(
    role: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = folder_shapes(base)
    adapter = peft_folder(tmp_path / "mine", shapes=shapes, strength=3.0, base_model_name_or_path=str(base))
    write_training_tasks(adapter, [("alfworld", "another")])
    said = evaluate(capsys, adapter, "--as", role)
    assert f"Verdict on mine as {role}, against its base base:" in said
    assert "None of these tasks is among the 1 that it was trained on (training_tasks.json)." in said
    [run] = Path("results").iterdir()
    models = read_manifest(run)["config"]["models"]
    assert models["mine"]["args"]["adapter"] == str(adapter) and "args" not in models["base"]


@pytest.fixture
def llama(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a llama.cpp server with the real SmolLM2, which wants a key."""
    monkeypatch.setenv("SMOL_KEY", "sk-smol-0123456789")
    options: dict[str, Any] = {
        "path": str(gguf_path(SHIPPED, "smol")),
        "alias": "smol",
        "key": "sk-smol-0123456789",
        "adapters": [],
    }
    options |= {"slots": 2, "context": 4096, "threads": 1, "cache_mib": 64}
    command = [sys.executable, "-m", "agents.models.local.llamacpp_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None and process.stdout is not None
        print(json.dumps(options), file=process.stdin, flush=True)
        yield f"{json.loads(process.stdout.readline())['url']}/v1#smol"
        process.terminate()


def test_an_address_that_wants_a_key_is_held_against_a_file_by_both_roles(
    llama: str, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["--base", f"{SHIPPED}-q8_0"]
    refused = evaluate(capsys, llama, *base, code=2)
    assert "HTTP 401" in refused and "--key-env NAME names that variable" in refused
    for role in ("actor", "strategist"):
        said = evaluate(capsys, llama, *base, "--as", role, "--key-env", "SMOL_KEY", tasks=1)
        assert f"Verdict on smol as {role}, against its base smollm2-135m-instruct-q8_0: too few" in said
    kept = "".join(path.read_text("utf-8") for path in Path("results").rglob("*.json*"))
    assert "SMOL_KEY" in kept and "sk-smol" not in kept
