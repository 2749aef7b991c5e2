"""Our games in TRL's own trainer: what it reads as tools, which numbers it gets, and an advantage for each turn."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from environments.alfworld.baselines import expert
from harness.base.errors import BadInput
from harness.bridges.credit import of_progress, replay
from harness.bridges.games import world
from harness.bridges.trl import OVER, AlfworldTools, WebShopTools, rows, turn_credits
from tests.extras import required

torch = required("torch")
transformers = required("transformers")
required("trl")
required("datasets")

from harness.bridges.trl_trainer import over_tokens, turn_advantages  # noqa: E402
from tests.harness.bridges.trl_runs import SPLIT, Scripted, trainer  # noqa: E402
from tests.harness.training import tiny  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_game_is_begun_by_a_row_and_won_by_its_tool() -> None:
    row = rows(AlfworldTools, "builtin-train-mini", 1)[0]
    tools = AlfworldTools("builtin-train-mini")
    first = tools.reset(**row, another="column")
    assert "Your task is to" in first and "Possible commands: " in first
    assert tools.get_reward() == 0.0
    while not tools.game.done:  # type: ignore[union-attr]
        said = tools.act(expert(tools.game._play, 0, None).text)  # type: ignore[union-attr, arg-type]
    assert said.endswith(OVER) and tools.act("look") == OVER
    assert tools.get_reward() == 1.0
    assert tools.credits[-1] == 0.0 and math.isclose(sum(tools.credits), 1.0)
    assert tools.reset(**row) == first and tools.credits == []  # TRL uses an object again


def test_webshop_has_two_tools_with_the_shop_s_own_words() -> None:
    tools = WebShopTools("builtin-train", {"protocol": "original"})
    tools.reset(**rows(WebShopTools, "builtin-train", 1)[0])
    assert "Page 1" in tools.search("red shoes")
    assert "Search" in tools.click("Back to Search")
    tools_of = {
        name for name in dir(WebShopTools) if not name.startswith("_") and callable(getattr(WebShopTools, name))
    }
    assert tools_of == {"reset", "get_reward", "search", "click"}
    for tool in (tools.search, tools.click, AlfworldTools(SPLIT).act):
        schema = transformers.utils.get_json_schema(tool)["function"]
        assert schema["description"] and all(
            each["description"] for each in schema["parameters"]["properties"].values()
        )


def test_a_row_without_a_task_and_an_unknown_task_are_named() -> None:
    with pytest.raises(BadInput, match="column `task`"):
        AlfworldTools(SPLIT).reset(prompt=[])
    with pytest.raises(BadInput, match="has no task 'builtin-train/mini/x'"):
        AlfworldTools(SPLIT).reset(task="builtin-train/mini/x")


def call(name: str = "act", **arguments: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def test_credits_go_to_the_message_whose_calls_made_them() -> None:
    """Calls that TRL answers itself (no such tool, other arguments) did nothing in the game."""
    tools = AlfworldTools(SPLIT)
    tools.credits = [0.5, -0.25, 0.125]
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "tool_calls": [call(command="a"), call(name="fly"), call(command="b")]},
        {"role": "tool", "content": "…"},
        {"role": "assistant", "tool_calls": [call(word="a"), call(name="reset", task="t")]},
        {"role": "assistant", "content": "hm"},
        {"role": "assistant", "tool_calls": [call(command="c")]},
    ]
    assert turn_credits(tools, messages) == [0.25, 0.0, 0.0, 0.125]


def test_turns_are_normalised_over_their_group_and_get_what_follows() -> None:
    """By hand: credits 0, 1 | 1 of mean 2/3 and deviation √2/3; the other group is equal, so it teaches nothing."""
    found = turn_advantages([[0.0, 1.0], [1.0], [0.5], [0.5, 0.5]], group=2)
    low, high = (value / (math.sqrt(2) / 3 + 1e-4) for value in (-2 / 3, 1 / 3))
    assert found[0] == pytest.approx([low + high, high]) and found[1] == pytest.approx([high])
    assert found[2] == [0.0] and found[3] == [0.0, 0.0]


def test_a_turn_s_value_stands_on_its_tokens_only() -> None:
    mask = torch.tensor([[1, 1, 0, 0, 1, 0], [1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]])
    found = over_tokens([[0.5, -1.0], [2.0, 3.0], [9.0]], mask)
    assert found.tolist() == [[0.5, 0.5, 0, 0, -1.0, 0], [2.0, 0, 3.0, 3.0, 0, 0], [0] * 6]
    with pytest.raises(ValueError, match="row 0 has 2 stretches"):
        over_tokens([[1.0], [1.0, 2.0], []], mask)


def test_counterfactual_credit_is_what_the_outcome_loses() -> None:
    """A command that wins is worth what random plays without it would not have reached; the same command gives the same."""
    games = world("alfworld", SPLIT, {"steps_left": 1, "max_steps": 2})
    task = games.tasks[0].id
    for credit in (of_progress, replay(games.environment, "random", plays=8)):
        wins, idles = (games.begin(task, credit=credit) for _ in range(2))
        best = wins.act(expert(wins._play, 0, None).text)  # type: ignore[arg-type]
        assert wins.won and best.credit > 0.5
        assert idles.act("help").credit <= 0.0
        again = games.begin(task, credit=credit)
        assert again.act(best.command).credit == best.credit
    with pytest.raises(BadInput, match="no scripted player 'guess'"):
        replay(games.environment, "guess")


def test_games_move_in_grpo_and_every_turn_has_its_own_advantage(tmp_path: Path) -> None:
    model = tiny.model(max_position_embeddings=8192)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = trainer(Scripted, model, tiny.tokenizer(), tmp_path, max_steps=1)
    run.train()
    check_figures(run, steps=1)
    (batch,) = run.batches
    own = torch.tensor(list(run._logs["advantages"])).unsqueeze(1)  # TRL's, one a rollout
    mask = batch["completion_mask"] * batch["tool_mask"]
    turns = batch["advantages"] - own
    assert turns.shape == mask.shape and torch.count_nonzero(turns[mask == 0]) == 0
    assert any(len(set(row.tolist()) - {0.0}) > 1 for row in turns), (
        "all turns of every rollout have the same advantage"
    )
    after = run.model.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def check_figures(run: Any, steps: int) -> None:
    """What TRL logged: every rollout called tools, none failed, groups differ in what they reached."""
    logs = [each for each in run.state.log_history if "reward" in each]
    assert len(logs) == steps and all(each["tools/call_frequency"] >= 1 for each in logs)
    assert all(each["tools/failure_frequency"] == 0 for each in logs)
    assert {"rewards/progress/mean", "rewards/AlfworldTools/mean"} <= set(logs[0])
    assert any(each["reward_std"] > 0 for each in logs)


@pytest.mark.slow
def test_smollm2_takes_a_few_steps_on_our_games(tmp_path: Path) -> None:
    """The real model and tokenizer. Untrained it calls no tool, so that a script writes the calls; the weights that are trained,
    the tokens and the loss are its own."""
    from agents.models.local.weights import smollm2_folder

    model = transformers.AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm2_folder())
    before = model.model.layers[0].self_attn.q_proj.weight.detach().clone()
    run = trainer(Scripted, model, tokenizer, tmp_path, max_steps=2, learning_rate=1e-5, per_device_train_batch_size=2)
    run.train()
    check_figures(run, steps=2)
    assert not torch.equal(before, run.model.model.layers[0].self_attn.q_proj.weight)
