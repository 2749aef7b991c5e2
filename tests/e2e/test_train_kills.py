"""A training that is killed in every stage, each time by SIGKILL and as a real process, gives with the same command what an
uninterrupted one gives: the same episodes, scores, sequences, weights and curve. One episode at a time, so that every call of
the strategist stands alone in its batch and cannot depend on what else was asked (docs/selfplay.md says why that matters)."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness.results.leaks import CARD, read_training_tasks, task_hash
from harness.training.loop.folder import read_training
from tests.e2e.processes import wait_until
from tests.e2e.training import NAME, Training, leaderboard
from tests.extras import required
from tests.harness.training.configs import training, write_training

required("torch")
required("trl")

pytestmark = pytest.mark.slow


def written(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def seen(*paths: Path) -> Callable[[], object]:
    """When each was last changed; what is missing or empty is left out."""
    return lambda: [(path.name, path.stat().st_mtime_ns) for path in paths if path.exists() and path.stat().st_size]


def instants(folder: Path, k: int) -> dict[str, tuple[Callable[[], object], str]]:
    """Name -> (what changes when it is reached, the stage that is then not done yet)."""
    fit = folder / f"fit/iteration-{k}"
    sotopia = folder / f"play/iteration-{k}/sotopia"
    return {
        "playing": (seen(folder / f"play/iteration-{k}/alfworld/episodes.jsonl"), f"play-{k}-alfworld"),
        "judging": (seen(sotopia / "judgements.jsonl"), f"play-{k}-sotopia"),
        "rewarding": (seen(sotopia / "process_rewards.jsonl"), f"play-{k}-sotopia"),
        "learning": (seen(fit / "log.jsonl"), f"fit-{k}"),
        "saving a state": (
            lambda: sorted(path.name for path in (fit / "checkpoints").glob("checkpoint-*")),
            f"fit-{k}",
        ),
        "saving the checkpoint": (lambda: sorted(path.name for path in fit.glob(".model.*")), f"fit-{k}"),
        "ranking": (seen(folder / f"held-out/{NAME}@{k}/episodes.jsonl"), f"held-out-{k}"),
    }


def changed(look: Callable[[], object]) -> Callable[[], bool]:
    """Whether something is there that was not when this was asked for: an earlier kill may have left its like."""
    before = look()
    return lambda: bool(look()) and look() != before


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.harness.training.tiny import save

    home = tmp_path_factory.mktemp("training")
    start = save(home / "start", hidden_size=256, intermediate_size=512)
    fit = training(start)["fit"] | {"max_steps": 4, "accumulation": 2}
    return write_training(home / "t.yaml", start, limits={"episodes_at_once": 1}, fit=fit)


@pytest.fixture(scope="module")
def whole(config: Path) -> Training:
    """The training that nobody interrupts."""
    made = Training(config.parent / "whole", config)
    ended = made.run()
    assert ended.returncode == 0, ended.stderr
    return made


def test_killed_in_every_stage_it_gives_what_an_uninterrupted_training_gives(
    config: Path, whole: Training, record_property: Callable[[str, object], None]
) -> None:
    killed = Training(config.parent / "killed", config)
    missed: list[str] = []
    length = 0
    for k in (1, 2):
        wanted = instants(killed.folder, k)
        for name in [name for name in wanted if k == 1 or name in missed]:
            look, stage = wanted[name]
            hit = killed.kill_when(changed(look)) and not killed.done(stage)
            missed = [each for each in missed if each != name] + ([] if hit else [name])
            assert len(killed.curve()) >= length, "a curve that was there got shorter"
            length = len(killed.curve())
    assert not missed, f"the kill came too late, twice: {missed}"
    record_property("kills", len(instants(killed.folder, 1)))
    ended = killed.run()
    assert ended.returncode == 0, ended.stderr
    assert killed.made().keys() == whole.made().keys()
    for name, value in whole.made().items():
        assert killed.made()[name] == value, name


def test_a_finished_training_does_nothing_again(whole: Training) -> None:
    files = {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*.safetensors")}
    records = {path: path.read_bytes() for path in whole.folder.rglob("episodes.jsonl")}
    ended = whole.run()
    assert ended.returncode == 0, ended.stderr
    assert "something left to do" not in ended.stderr
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert {path: path.read_bytes() for path in records} == records


def test_a_dry_run_forecasts_from_what_was_played_and_marks_what_is_done(whole: Training, config: Path) -> None:
    ended = Training(whole.home, config, "--dry-run").run()
    assert ended.returncode == 0, ended.stderr
    rows = [line for line in ended.stdout.splitlines() if line.startswith(("play-", "held-out-"))]
    assert len(rows) == 6 + 2 * (2 + 2)
    assert all(row.rstrip().endswith("done") for row in rows)
    assert "≤" not in ended.stdout, "a bound where the untrained strategist's episodes tell more"


def test_every_iteration_stands_in_the_leaderboard_beside_what_was_not_trained(whole: Training) -> None:
    rows = leaderboard(whole.folder)
    assert leaderboard(whole.home / "results") == rows, "a folder of trainings shows them, too"
    for environment in ("alfworld", "sotopia"):
        here = [row for row in rows if row["environment"] == environment]
        assert {row["strategist"] for row in here} == {"vanilla", "react", "epo", "epo-rl@1", "epo-rl@2"}
        assert {row["ranked"] for row in here} == {5}, "all are ranked together: same tasks, same seeds"


def test_the_weights_move_and_the_next_iteration_plays_with_them(whole: Training) -> None:
    assert whole.weights(1) != whole.weights(2)
    rows = whole.curve()
    assert [row["strategist"] for row in rows] == ["epo", "epo-rl@1", "epo-rl@2"]
    assert all(row["fit"]["changed"] > 0 for row in rows[1:])
    played = [{result["strategist"] for result in row["training_tasks"] or []} for row in rows]
    assert played == [{"epo"}, {"epo-rl@1"}, set()]


def test_the_checkpoint_has_a_card_and_says_what_it_learnt_from(whole: Training) -> None:
    tasks = read_training(whole.folder)["tasks"]
    learnt = read_training_tasks(whole.folder / "fit/iteration-2/model" / CARD)
    assert learnt == {task_hash(name, task) for name, each in tasks.items() for task in each["train"]}
    card = (whole.folder / "fit/iteration-2/model/README.md").read_text()
    for part in ("## Base", "## Data", "## Curve", "## Config", "epo-rl@2", "learning_rate: 0.001"):
        assert part in card
    (whole.folder / "fit/iteration-2/model/README.md").write_text("my own notes")
    assert whole.run().returncode == 0, "the card is about the weights, it is none of them"
    assert (whole.folder / "fit/iteration-2/model/README.md").read_text() == card


def test_ranking_a_checkpoint_on_what_it_learnt_from_is_refused_by_name(whole: Training, tmp_path: Path) -> None:
    stored = read_training(whole.folder)
    checkpoint = whole.folder / "fit/iteration-1/model"
    task = stored["tasks"]["alfworld"]["train"][1]
    experiment = {
        "name": "again",
        "environments": [{"name": "alfworld", "split": "builtin-train-mini", "tasks": [task]}],
        "models": {**stored["config"]["models"], "m": {"provider": "transformers", "model": str(checkpoint)}},
        "actors": ["actor"],
        "strategists": [{"kind": "epo-rl", "model": "m"}],
    }
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(experiment))
    command = [sys.executable, "-m", "harness.cli", "run", str(path), "--results", str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, cwd=whole.home)
    assert refused.returncode == 2
    assert "trained on 1 of the alfworld tasks" in refused.stderr and task in refused.stderr


def test_a_changed_config_under_the_same_name_is_refused_showing_the_difference(whole: Training, config: Path) -> None:
    changed = Training(whole.home, config, "--set", "fit.learning_rate=0.5")
    ended = changed.run()
    assert ended.returncode == 2
    assert "config.fit.learning_rate: 0.001 -> 0.5" in ended.stderr
    assert "--name" in ended.stderr


def test_a_second_process_on_the_training_is_refused(config: Path) -> None:
    first = Training(config.parent / "held", config)
    process = first.start()
    try:
        assert wait_until((first.folder / "training.json").exists, process)
        second = first.run()
        assert second.returncode == 2
        assert f"is being written by another process (pid {process.pid} " in second.stderr
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_ctrl_c_says_that_the_same_command_goes_on(config: Path) -> None:
    stopped = Training(config.parent / "stopped", config)
    process = stopped.start()
    assert wait_until(lambda: written(stopped.folder / f"held-out/{NAME}@0/episodes.jsonl"), process)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "the same command goes on" in err
    assert "Traceback" not in err
