"""GRPO on ALFWorld or WebShop with TRL's trainer and an advantage for each turn.

    python -m examples.bridges.trl_grpo Qwen/Qwen3-0.6B --environment alfworld --split builtin-train-mini --steps 10

The model has to know how to call tools. A tokenizer whose chat template has none (SmolLM2's) gets TRL's template of Qwen 2.5, in
which an untrained model makes no calls: fine-tune it on some first.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import trl
from datasets import Dataset
from transformers import AutoTokenizer

from harness.bridges.trl import AlfworldTools, WebShopTools, progress, rows
from harness.bridges.trl_trainer import TurnCreditTrainer

KINDS = {"alfworld": AlfworldTools, "webshop": WebShopTools}


def main(argv: list[str] | None = None) -> None:
    """Train, and keep the model in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("model", help="a folder of weights, or a name on the hub")
    parser.add_argument("--environment", choices=KINDS, default="alfworld")
    parser.add_argument("--split", default="builtin-train-mini")
    parser.add_argument("--games", type=int, default=64)
    parser.add_argument("--group", type=int, default=4, help="rollouts of each game")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--out", default="grpo-model")
    given = parser.parse_args(argv)
    kind = KINDS[given.environment]
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    if "tools" not in (tokenizer.chat_template or ""):
        tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen2_5.jinja").read_text("utf-8")
    trainer = TurnCreditTrainer(
        model=given.model,
        args=trl.GRPOConfig(
            output_dir=given.out,
            max_steps=given.steps,
            per_device_train_batch_size=given.group,
            num_generations=given.group,
            max_completion_length=4096,
            max_tool_calling_iterations=20,
            reward_weights=[0.5],  # progress, beside the outcome
            report_to=[],
        ),
        reward_funcs=[progress],
        train_dataset=Dataset.from_list(rows(kind, given.split, given.games)),
        processing_class=tokenizer,
        environment_factory=partial(kind, given.split),
        credit=1.0,
    )
    trainer.train()
    trainer.save_model(given.out)
    for figures in trainer.state.log_history:
        print({key: figures[key] for key in ("reward", f"rewards/{kind.__name__}/mean") if key in figures})


if __name__ == "__main__":
    main()
