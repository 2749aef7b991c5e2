"""A judge that is the actor, or of its family, is warned about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.cli import main
from harness.commands.run_experiment import play
from harness.compare.answers import environment_answers
from harness.compare.questions import uplift
from harness.results.kin import family_of, kin_of_facts, kin_sentences
from harness.results.store import read_manifest, write_manifest
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from leaderboard.board import open_board
from leaderboard.duel import duel
from leaderboard.page import render
from tests.harness.builders import experiment


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-2024-08-06", "gpt"),
        ("o3-mini", "gpt"),
        ("claude-sonnet-4-5", "claude"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("mixtral-8x7b", "mistral"),
        ("smollm2-135m-instruct", "smollm"),
        ("7b", None),
    ],
)
def test_the_family_is_in_a_model_s_name(model: str, family: str | None) -> None:
    assert family_of({"provider": "openai", "model": model}) == family


def test_a_function_is_of_no_family() -> None:
    assert family_of({"provider": "scripted", "function": "a:b", "model": "gpt"}) is None
    assert family_of(None) is None


def config(judge: str, actor: str) -> dict[str, Any]:
    models = {"judge": {"provider": "openai", "model": judge}, "actor": {"provider": "openai", "model": actor}}
    return {"models": models, "actors": [{"model": "actor"}], "judge": [{"model": "judge"}]}


@pytest.mark.parametrize(
    ("judge", "actor", "said"),
    [
        ("gpt-4o", "gpt-4o", "is the model that acts (actor)"),
        ("gpt-4o", "gpt-4o-mini", "is of the family of the actor actor (gpt)"),
        ("gpt-4o", "claude-haiku-4-5", None),
    ],
)
def test_a_judge_is_warned_about_where_it_is_related_to_the_actor(judge: str, actor: str, said: str | None) -> None:
    lines = kin_sentences(config(judge, actor))
    assert len(lines) == (said is not None)
    assert said is None or said in lines[0]


def test_the_judge_that_is_shown_counts_panels_and_providers_included() -> None:
    given = config("claude-haiku-4-5", "gpt-4o-mini")
    assert kin_sentences(given) == []
    assert kin_sentences(given, "median(sotopia/judge/abc, sotopia/openai:gpt-4o/abc)")[0].startswith(
        "The judge openai:gpt-4o"
    )
    assert "the model that acts" in kin_sentences(given, "sotopia/actor/abc")[0]


def test_arms_are_warned_about_by_their_facts() -> None:
    model = {"provider": "openai", "model": "gpt-4o"}
    facts = {
        "judge": {"label": "sotopia/judge/abc", "models": [{"model": "judge", "model_config": model}]},
        "actor": {"model": "actor", "model_config": {**model, "model": "gpt-4o-mini"}},
    }
    assert len(kin_of_facts([facts, facts])) == 1
    assert kin_of_facts([{**facts, "judge": None}, {**facts, "actor": {"model": None}}]) == []


def test_a_run_says_so_before_it_plays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = {"provider": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "qwen2.5-7b"}
    made = experiment(models={"m": here}, judge="m")
    run = Run(made, tmp_path / "run", check=False, blocks=0)
    said: list[str] = []
    progress = Progress(Console(quiet=True))
    progress.say = said.append  # type: ignore[method-assign, assignment]
    play(run, tmp_path, progress)
    assert any(line.startswith("The judge m is the model that acts") for line in said)


def test_the_ranking_says_so_beneath_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    with Run(experiment(judge="m"), run) as playing:
        assert execute(playing, Progress(Console(quiet=True))).complete
    manifest = read_manifest(run)
    manifest["config"]["models"]["m"] = {"provider": "openai", "model": "qwen2.5-7b"}
    write_manifest(run, manifest)
    assert main(["leaderboard", str(run)]) == 0
    assert "The judge m is the model that acts" in " ".join(capsys.readouterr().out.split())
    assert main(["leaderboard", str(run), "--format", "csv"]) == 0
    assert "The judge m is" not in capsys.readouterr().out


def test_the_answer_and_a_comparison_say_so_where_the_finding_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    with Run(experiment(judge="m", strategists=["vanilla", {"kind": "epo", "model": "m"}]), run) as playing:
        assert execute(playing, Progress(Console(quiet=True))).complete
    manifest = read_manifest(run)
    manifest["config"]["models"]["m"] = {"provider": "openai", "model": "qwen2.5-7b"}
    write_manifest(run, manifest)
    said = "The judge m is the model that acts"
    assert any(said in line for line in environment_answers(uplift(str(run)))[0].more)
    board = open_board([run])
    assert any(said in line for line in duel(board, 0, 1).interface)
    assert said in render(board).split('id="ranking"')[0]
    assert main(["compare", str(run)]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
