"""A trained model against its base: one command plays the held-out tasks, says one verdict, and writes one page."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.cli import main
from harness.commands.evaluated_weights import with_revisions
from harness.commands.named_models import base_model, base_of, named_model, with_key_for_one_host
from harness.results.leaks import task_hash
from harness.results.store import read_manifest
from tests.servers.openai_server import OpenAIServer
from tests.servers.wire import Response
from tests.shared_data import ROOT

PAGE = (ROOT / "docs/evaluate.md").read_text("utf-8")


def shop(body: dict[str, Any]) -> str:
    """The base looks at the search page for ever; the trained one searches the instruction, opens the first product, buys. As
    strategists they say the same."""
    page = body["messages"][-1]["content"]
    advises = "You advise" in body["messages"][0]["content"]
    if body["model"] == "base":
        return "Strategy: look around" if advises else "Action: click[back to search]"
    wish = ["ok", *re.findall(r"Instruction: \[SEP\] (.*?), and price", body["messages"][0]["content"])][-1]
    if advises:
        return f"Strategy: {wish}"
    if "Buy Now" in page:
        return "Action: click[buy now]"
    products = re.findall(r"\[SEP\] ([A-Z0-9]{10}) \[SEP\]", page)
    return f"Action: click[{products[0]}]" if products else f"Action: search[{wish}]"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    monkeypatch.chdir(tmp_path)
    with OpenAIServer(shop, models=("base", "trained", "other")) as made:
        yield made


def evaluate(server: OpenAIServer, *arguments: str, base: str = "base", tasks: int = 24) -> int:
    small = ["--environment", "webshop", "--tasks", str(tasks), "--option", "webshop.max_steps=5", "--at-once", "4"]
    return main(["evaluate", f"{server.url}#trained", "--base", f"{server.url}#{base}", *small, *arguments])


def the_run() -> Path:
    (run,) = Path("results").iterdir()
    return run


def test_a_better_actor_gets_its_verdict_and_a_page(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(server) == 0
    said = capsys.readouterr().out
    assert "Verdict on trained as actor, against its base base: higher." in said
    assert re.search(r"trained scores higher than base: \+0\.\d+ \(95 % interval", said)
    assert "beside script:oracle (1.00)" in said
    assert "trained is one training; another could give a different result." in said
    assert "Nobody says what trained was trained on" in said
    page = (the_run() / "index.html").read_text("utf-8")
    assert page.index("Verdict on trained as actor, against its base base: higher.") < page.index("Ranking</h2>")


def test_the_same_command_plays_nothing_again_and_says_the_same(
    server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(server, tasks=6)
    first = capsys.readouterr().out
    count = len(server.requests)
    assert evaluate(server, "--no-check", tasks=6) == 0
    assert len(server.requests) == count
    assert verdict(capsys.readouterr().out) == verdict(first)


def verdict(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("Verdict") or "95 % interval" in line]


def test_a_finished_run_says_its_verdict_again_when_the_server_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Telling("vllm", "/outputs/one") as server:
        assert evaluate(server, tasks=6) == 0
        first = verdict(capsys.readouterr().out)
    assert evaluate(server, tasks=6) == 0
    assert verdict(capsys.readouterr().out) == first
    assert len(list(Path("results").iterdir())) == 1


def test_a_model_at_another_address_gets_a_run_of_its_own(server: OpenAIServer, tmp_path: Path) -> None:
    """The first one's episodes are not taken for the second's, and each command finds its own run again."""
    evaluate(server, tasks=2)
    with OpenAIServer(shop, models=("base", "trained")) as second:
        trained, base = f"{second.url}#trained", f"{server.url}#base"
        small = ["--environment", "webshop", "--tasks", "2", "--option", "webshop.max_steps=5"]
        assert main(["evaluate", trained, "--base", base, *small]) == 0
        assert any(body["model"] == "trained" for body in second.requests)
    evaluate(server, tasks=2)
    runs = sorted(Path("results").iterdir())
    assert len(runs) == 2
    kept = [{call["model"] for row in episodes(run) for call in row["calls"]} for run in runs]
    assert kept == [{"base", "trained"}] * 2


class Telling(OpenAIServer):
    """A server that tells of its weights as vLLM (`root`, and a `created` that is now), llama.cpp or Ollama do."""

    def __init__(self, form: str, weights: str, port: int = 0) -> None:
        super().__init__(shop, models=("base", "trained"), port=port)
        self.form, self.weights, self.looks = form, weights, 0

    def _respond(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Response:
        self.looks += 1
        if path == "/api/tags" and self.form == "ollama":
            listed = [{"name": "trained:latest", "digest": self.weights}, {"name": "base:latest", "digest": "b" * 64}]
            return Response({"models": listed})
        found = super()._respond(method, path, headers, body)
        if not path.endswith("/models") or not isinstance(found.body, dict):
            return found
        for each in found.body["data"]:
            each["created"] = self.looks
            if self.form == "vllm" and each["id"] == "trained":
                each |= {"root": self.weights, "parent": None, "max_model_len": 4096 + self.looks}
            if self.form == "llama.cpp":
                each["meta"] = {"n_params": len(self.weights), "n_ctx": self.looks}
        return found


@pytest.mark.parametrize("form", ["vllm", "llama.cpp", "ollama"])
def test_other_weights_behind_the_same_name_get_a_run_of_their_own(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Telling(form, "/outputs/one") as server:
        for weights in ("/outputs/one", "/outputs/one", "/outputs/second", "/outputs/one"):
            server.weights = weights
            assert evaluate(server, tasks=1) == 0
    revisions = [read_manifest(run)["config"]["models"]["trained"]["revision"] for run in Path("results").iterdir()]
    assert len(set(revisions)) == len(revisions) == 2


def test_a_checkpoint_that_was_written_over_gets_a_run_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    middle = bytearray(2_000_000)
    named = {"m": {"provider": "transformers", "model": str(folder)}}
    found = []
    for value, card in ((0, ""), (1, ""), (1, "{}")):
        middle[1_000_000] = value
        (folder / "model.safetensors").write_bytes(bytes(middle))
        (folder / "training_tasks.json").write_text(card)
        found.append(asyncio.run(with_revisions(named, tmp_path))["m"]["revision"])
    assert found[0] != found[1] == found[2]
    adapter = "alfworld-actor"
    over = {"m": {"provider": "llamacpp", "model": "smollm2-135m-instruct-q8_0", "adapter": adapter}}
    assert "+adapter:" in asyncio.run(with_revisions(over, tmp_path))["m"]["revision"]


def test_a_better_strategist_is_held_against_base_controls_and_the_actor_alone(
    server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(server, "--as", "strategist") == 0
    said = capsys.readouterr().out
    assert "Verdict on trained as strategist, against its base base: higher." in said
    strategists = {cell.split(" | ")[4] for cell in read_manifest(the_run())["cells"]}
    assert strategists == {"vanilla", "base", "trained", "null", "shuffled"}
    assert "beside vanilla (" in said and "beside shuffled (" in said


def test_a_server_of_one_model_is_not_held_against_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with OpenAIServer(shop, models=("trained",)) as server:
        assert evaluate(server, "--results", str(tmp_path), tasks=2) == 2
        assert (
            "has one model, trained: it lacks one of trained and base, or answers as that one for both"
            in capsys.readouterr().err
        )
        with OpenAIServer(shop, models=("base",)) as other:
            named = ["--base", f"{other.url}#base", "--results", str(tmp_path)]
            assert evaluate(server, *named, tasks=2) == 0


def test_two_that_play_alike_are_not_called_different(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(server, base="other") == 0
    assert "against its base other: no difference shown." in capsys.readouterr().out


def test_a_model_trained_on_the_tasks_is_refused_or_the_verdict_says_it(
    server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(server, "--dry-run", tasks=6)
    first = main(
        ["evaluate", f"{server.url}#trained", "--base", f"{server.url}#base", "--tasks", "2", "--name", "seen"]
    )
    assert first == 0
    tasks = [row["task_id"] for row in episodes(Path("results/seen"))]
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"format": 1, "tasks": [task_hash("alfworld", tasks[0])]}))
    capsys.readouterr()
    again = [
        "evaluate",
        f"{server.url}#trained",
        "--base",
        f"{server.url}#base",
        "--trained-on",
        str(card),
        "--name",
        "leaky",
    ]
    assert main([*again, "--tasks", "2"]) == 2
    assert tasks[0] in capsys.readouterr().err
    assert main([*again, "--tasks", "2", "--allow-leak"]) == 0
    assert "It was trained on 1 of these tasks" in capsys.readouterr().out
    card.write_text(json.dumps({"format": 1, "tasks": [task_hash("alfworld", "another")]}))
    clean = [*again[:-1], "clean"]
    assert main([*clean, "--tasks", "2"]) == 0
    assert "None of these tasks is among the 1 that it was trained on" in capsys.readouterr().out


def episodes(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "episodes.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["http://127.0.0.1:9/v1"], "#NAME"),
        (["http://127.0.0.1:9/v1#"], "as the server calls it: http://127.0.0.1:9/v1#NAME"),
        (["http://127.0.0.1:9/v1#m"], "--base"),
        (["openai:x", "--base", "openai:y", "--actor", "openai:z"], "add --as strategist, or leave --actor out"),
        (["openai:x", "--base", "openai:y", "--tasks", "0"], "--tasks N says how many tasks"),
        (["openai:x", "--base", "openai:y", "--tasks", "9999"], "--tasks N says how many tasks"),
        (["openai:x", "--base", "openai:y", "--at-once", "0"], "--at-once N says how many episodes"),
        (["http://127.0.0.1:9/v1#m", "--base", "http://127.0.0.1:9/v1#m"], "the model itself"),
        (["no/such/folder", "--base", "openai:x"], "provider:model"),
        (["openai:x", "--base", "openai:y", "--environment", "sotopia"], "--judge"),
        (["openai:x", "--base", "openai:y", "--option", "webshop.max_steps=3"], "ENVIRONMENT.KEY=VALUE"),
    ],
)
def test_what_cannot_be_evaluated_is_bad_input(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", *arguments]) == 2
    assert expected in capsys.readouterr().err
    assert not Path("results").exists()


@pytest.mark.parametrize("line", re.findall(r"^    harness (evaluate \S+.*?)(?:  +#.*)?$", PAGE, re.M))
def test_the_page_s_commands_can_be_planned_as_they_stand(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With however many tasks an environment has; the folders and files are made up."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    for path in [Path(word) for word in words if word.startswith("outputs/")]:
        path.mkdir(parents=True)
        (path / "config.json").write_text(json.dumps({"_name_or_path": "some/base"}))
    for path in [Path(word) for word in words if word.endswith(".gguf")]:
        path.write_bytes(b"")
    assert main([*words, "--dry-run"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("address", ["http://me:hush-hush@127.0.0.1:9/v1#m", "http://127.0.0.1:9/v1?key=hush-hush#m"])
def test_a_secret_in_an_address_is_refused_and_not_shown(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", address, "--base", "openai:y"]) == 2
    said = capsys.readouterr().err
    assert "must not carry a user, a password or a query" in said and "hush" not in said


def test_a_checkpoint_s_folder_says_what_it_is_and_what_it_came_from(tmp_path: Path) -> None:
    adapter, whole, base = tmp_path / "adapter", tmp_path / "whole", tmp_path / "base"
    for folder in (adapter, whole, base):
        folder.mkdir()
    (base / "config.json").write_text("{}")
    (whole / "config.json").write_text(json.dumps({"_name_or_path": str(base)}))
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))
    (adapter / "training_tasks.json").write_text('{"format": 1, "tasks": []}')
    (tmp_path / "m.gguf").write_text("")
    assert named_model(str(whole)) == {"provider": "transformers", "model": str(whole)}
    assert base_of(str(whole)) == base_of(str(adapter)) == str(base)
    assert base_of(str(base)) is None
    assert named_model(str(adapter)) == {
        "provider": "transformers",
        "model": str(base),
        "args": {"adapter": str(adapter)},
        "trained_on": str(adapter / "training_tasks.json"),
    }
    assert named_model(str(tmp_path / "m.gguf"))["provider"] == "llamacpp"
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(BadInput, match="base_model_name_or_path"):
        named_model(str(adapter))


def test_the_key_of_an_address_is_named_and_no_other_model_gets_it() -> None:
    assert named_model("http://127.0.0.1:9/v1#m", key_env="MY_KEY")["api_key_env"] == "MY_KEY"
    assert base_model("http://127.0.0.1:9/v1#m", key_env="MY_KEY")["api_key_env"] == "MY_KEY"
    assert "api_key_env" not in named_model("openai:m", key_env="MY_KEY")
    assert base_model("smollm2-135m-instruct-q8_0") == {"provider": "llamacpp", "model": "smollm2-135m-instruct-q8_0"}
    assert base_model("smollm2-135m-instruct")["provider"] == "transformers"


def test_a_key_is_sent_to_one_host(capsys: pytest.CaptureFixture[str]) -> None:
    at = "http://{}/v1#m".format
    named = {"m": at("127.0.0.1:9"), "base": at("localhost:8"), "judge": at("gateway.example")}
    models = {name: named_model(text, key_env="MY_KEY") for name, text in named.items()}
    kept = with_key_for_one_host({**models, "file": {"provider": "llamacpp", "model": "x.gguf"}})
    assert [name for name, config in kept.items() if "api_key_env" in config] == ["m", "base"]
    assert "sent to this machine only, and not with questions to judge" in capsys.readouterr().err


def test_a_gguf_adapter_is_held_against_its_base_and_wants_one_named() -> None:
    from agents.models.local.adapters import shipped_path

    path, base = shipped_path("alfworld-actor"), "smollm2-135m-instruct-q8_0"
    assert named_model(path, base) == {"provider": "llamacpp", "model": base, "adapter": path}
    assert base_model(base, gguf=True) == {"provider": "llamacpp", "model": base}
    with pytest.raises(BadInput, match="LoRA adapter: name the model"):
        named_model(path)
