"""The example of a manager: many games at once, by answers with thoughts."""

from __future__ import annotations

import pytest

from environments.alfworld.baselines import expert
from examples.bridges import manager
from harness.bridges.games import world

SPLIT = "builtin-train-mini"


def test_games_go_on_together_and_a_finished_one_waits() -> None:
    tasks = [task.id for task in world("alfworld", SPLIT).tasks[:2]]
    many = manager.Manager("alfworld", SPLIT, group=2)
    seen, infos = many.reset(tasks)
    assert len(seen["text"]) == len(infos) == 4 and seen["anchor"][0] in seen["text"][0]
    total, dones = 0.0, [False] * 4
    _, rewards, _, infos = many.step(["no tags", *["<think>x</think><action>help</action>"] * 3])
    assert rewards == [0.0] * 4 and [info["is_action_valid"] for info in infos] == [False, True, True, True]
    while not dones[0]:
        best = "" if many.games[0].done else expert(many.games[0]._play, 0, None).text  # type: ignore[arg-type]
        answers = [f"<think>…</think>\n<action>{best}</action>", *["<think>x</think><action>help</action>"] * 3]
        _, rewards, dones, infos = many.step(answers)
        total += rewards[0]
    assert infos[0]["won"] and total == pytest.approx(1.0)
    assert many.step(["<think>x</think><action>look</action>"] * 4)[1][0] == 0.0


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    manager.main(["--games", "1"])
    assert capsys.readouterr().out.startswith("won ")
