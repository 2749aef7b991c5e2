"""`harness evaluate` at addresses that speak as Ollama's and vLLM's do: a verdict by either role, and, where the address, the
name or the key is wrong, advice that works when it is followed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cli import main
from harness.results.index import latest_episodes
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_record
from tests.harness.test_evaluate import shop
from tests.servers.local_llms import LocalLLM, Ollama, Vllm
from tests.servers.wire import Response

SMALL = ["--environment", "webshop", "--option", "webshop.max_steps=5", "--tasks"]
PAGE = Response(b"<!doctype html><html><head><title>Sign in</title></head></html>", 200, {"content-type": "text/html"})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def ollama() -> Ollama:
    return Ollama(shop, {"base:latest": "b" * 64, "trained:latest": "c" * 64})


def vllm() -> Vllm:
    return Vllm(shop, {"base": "/models/base", "trained": "/outputs/checkpoint-400"})


def evaluate(*words: str, tasks: int = 1) -> int:
    return main(["evaluate", *words, *SMALL, str(tasks)])


@pytest.mark.parametrize("role", ["actor", "strategist"])
@pytest.mark.parametrize("make", [ollama, vllm])
def test_a_local_server_s_model_gets_its_verdict(
    make: Callable[[], LocalLLM], role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The drafts in the reasoning beside an answer are not acted on, and unknown tokens stop nothing."""
    with make() as server:
        server.usage = make is vllm
        assert evaluate(f"{server.url}#trained", "--base", f"{server.url}#base", "--as", role, tasks=8) == 0
    assert f"Verdict on trained as {role}, against its base base: higher." in capsys.readouterr().out
    [run] = Path("results").iterdir()
    calls = [call for record in records(run) for call in record.calls]
    assert calls and all(call.completion_tokens is None for call in calls) == (make is ollama)


def records(run: Path) -> Iterator[EpisodeRecord]:
    for row in latest_episodes(run).values():
        yield read_record(run / EPISODES, row["offset"], EpisodeRecord)


Follow = Callable[[str, str], str]
"""(what was printed, the wrong words for the trained model) -> the words as the advice has them."""


def as_it_answers(said: str, wrong: str) -> str:
    found = re.search(r"(http://\S+/v1) answers: set `base_url` to it", said)
    assert found and "the address is what stands before the #" in said
    return f"{found[1]}#trained"


def ending_in_v1(said: str, wrong: str) -> str:
    assert "most endpoints want it to end in /v1" in said and "the address is what stands before the #" in said
    return re.sub(r"/v1/.*#", "/v1#", wrong)


def as_it_is_listed(said: str, wrong: str) -> str:
    found = re.search(r"The endpoint lists: .*Did you mean '(\S+)'\?", said)
    assert found and "the model's name is what stands behind the #" in said
    return f"{wrong.partition('#')[0]}#{found[1]}"


WRONG: dict[str, tuple[Callable[[], LocalLLM], str, Follow]] = {
    "Ollama without /v1": (ollama, "{root}#trained", as_it_answers),
    "vLLM without /v1": (vllm, "{root}#trained", as_it_answers),
    "Ollama's whole path": (ollama, "{root}/v1/chat/completions#trained", ending_in_v1),
    "a name that Ollama lacks": (ollama, "{root}/v1#traned", as_it_is_listed),
    "a name that vLLM lacks": (vllm, "{root}/v1#traned", as_it_is_listed),
}


@pytest.mark.parametrize(("make", "wrong", "follow"), WRONG.values(), ids=WRONG)
def test_a_wrong_address_or_name_is_cured_by_the_advice(
    make: Callable[[], LocalLLM], wrong: str, follow: Follow, capsys: pytest.CaptureFixture[str]
) -> None:
    with make() as server:
        base = ["--base", f"{server.url}#base"]
        words = wrong.format(root=server.root)
        assert evaluate(words, *base) == 2
        right = follow(capsys.readouterr().err, words)
        assert not Path("results").exists() and right != words
        assert evaluate(right, *base) == 0


def test_a_server_that_wants_a_key_says_how_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Vllm(shop, key="sk-0123456789abcdef") as server:
        words = [f"{server.url}#trained", "--base", f"{server.url}#base"]
        assert evaluate(*words) == 2
        said = capsys.readouterr().err
        assert "HTTP 401: Unauthorized" in said and "Set the environment variable" in said
        option = re.search(r"(--key-env) NAME names that variable", said)
        assert option
        monkeypatch.setenv("MY_KEY", "sk-fedcba9876543210")
        assert evaluate(*words, option[1], "MY_KEY") == 2
        assert "sk-fedcba9876543210" not in capsys.readouterr().err
        monkeypatch.setenv("MY_KEY", "sk-0123456789abcdef")
        assert evaluate(*words, option[1], "MY_KEY") == 0
    kept = "".join(path.read_text("utf-8") for path in Path("results").rglob("*.json*"))
    assert "MY_KEY" in kept and "sk-0123456789abcdef" not in kept


def test_a_login_page_in_place_of_the_api_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    with vllm() as server, vllm() as right:
        server.answer = lambda *_: PAGE
        assert evaluate(f"{server.url}#trained", "--base", f"{right.url}#base") == 2
        said = capsys.readouterr().err
        assert "a web page: Sign in" in said and "whether a proxy, gateway or login stands in between" in said
        assert "the address is what stands before the #" in said and not Path("results").exists()
        assert evaluate(f"{right.url}#trained", "--base", f"{right.url}#base") == 0


def test_a_base_that_was_not_pulled_is_pulled_or_named_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with Ollama(shop, {"trained:latest": "c"}) as server, ollama() as other:
        words = [f"{server.url}#trained", "--base"]
        assert evaluate(*words, f"{server.url}#base") == 2
        said = capsys.readouterr().err
        assert "has one model, trained:latest" in said
        assert "Load both there, serve the base at another address" in said
        assert evaluate(*words, f"{other.url}#base") == 0
        server.models["base:latest"] = "b"
        assert evaluate(*words, f"{server.url}#base") == 0
