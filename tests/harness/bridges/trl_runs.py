"""TRL trainings on our games for tests: generation is scripted, since small untrained models call no tool."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from harness.bridges.trl import OVER, AlfworldTools, progress, rows
from tests.extras import required

torch = required("torch")
trl = required("trl")
datasets = required("datasets")

from harness.bridges.trl_trainer import TurnCreditTrainer  # noqa: E402

SPLIT = "builtin-train-mini"
OPTIONS = {"steps_left": 2, "max_steps": 2}
"""Games that two commands win, so that some of a few random plays come nearer."""
LISTED = "Possible commands: "


def template() -> str:
    """TRL's own template with tools, by which it reads calls."""
    return (Path(trl.__file__).parent / "chat_templates" / "qwen2_5.jinja").read_text("utf-8")


class Scripted(TurnCreditTrainer):
    """What the model would write comes from a script: any of the commands that its prompt lists last, or a last word where the
    game is over. All else is TRL's: calls, answers, masks, rewards, loss."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.random = Random(1)
        self.tokens: Any = self.processing_class
        self.batches: list[dict[str, Any]] = []

    def _generate_single_turn(self, prompt_ids: Any, *_: Any, **__: Any) -> Any:
        return [self._write(ids) for ids in prompt_ids], None

    def _write(self, ids: Any) -> list[int]:
        text: str = self.tokens.decode(ids)
        said = "Done."
        if text.rfind(LISTED) > text.rfind(OVER):
            command = self.random.choice(text.rpartition(LISTED)[2].partition("\n")[0].partition("<")[0].split(", "))
            call = {"name": "act", "arguments": {"command": command}}
            said = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
        found: list[int] = self.tokens.encode(f"{said}<|im_end|>", add_special_tokens=False)
        return found

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        batch = super()._generate_and_score_completions(inputs)
        self.batches.append(batch)
        return batch


def trainer(kind: type[Any], model: Any, tokenizer: Any, out: Path, **changes: Any) -> Any:
    """A trainer on two games, two rollouts each a step."""
    tokenizer.chat_template = template()
    settings: dict[str, Any] = {
        "output_dir": str(out),
        "per_device_train_batch_size": 4,
        "num_generations": 2,
        "max_steps": 2,
        "max_completion_length": 3000,
        "max_tool_calling_iterations": 5,
        "learning_rate": 1e-3,
        "beta": 0.0,
        "bf16": False,
        "use_cpu": True,
        "report_to": [],
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "reward_weights": [0.5],
    }
    return kind(
        model=model,
        args=trl.GRPOConfig(**settings | changes),
        reward_funcs=[progress],
        train_dataset=datasets.Dataset.from_list(rows(AlfworldTools, SPLIT, 2, OPTIONS)),
        processing_class=tokenizer,
        environment_factory=partial(AlfworldTools, SPLIT, OPTIONS),
    )
