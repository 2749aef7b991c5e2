"""Training: the steps are the loss's, a killed one goes on to the same weights, and what comes out can be served."""

from __future__ import annotations

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

from harness.base.errors import BadInput
from harness.base.seeds import sha256_of
from harness.results.leaks import CARD, read_training_tasks, task_hash
from harness.training.data.dataset import ChatMessage, Row, Span, TokenSequence, write_dataset
from harness.training.fit.fit import FitResult, fit
from harness.training.fit.options import LoraOptions, TrainOptions
from tests.extras import required
from tests.shared_data import ROOT
from tests.task_cards import write_training_tasks

torch = required("torch")
transformers = required("transformers")
required("trl")
required("peft")

from safetensors.torch import load_file  # noqa: E402

from harness.training.fit.loss import Collator, LossOptions, columns, epo_loss, segments_of, target_logprobs  # noqa: E402
from tests.harness.training import tiny  # noqa: E402

QUICK = {"learning_rate": 3e-3, "bf16": False, "tensorboard": False, "warmup": 0.0, "schedule": "constant"}


def prepared(folder: Path, count: int = 8, sequences: int = 1) -> list[Row]:
    """A data set of random tokens, of as many rows; every third is worth nothing."""
    chance = random.Random(count)
    rows = []
    for number in range(count):
        made = []
        for turn in range(sequences):
            tokens = [chance.randrange(5, 400) for _ in range(chance.randint(15, 30))]
            weight = 0.0 if number % 3 == 2 else chance.uniform(-0.2, 1)
            spans = [Span(turn=turn, start=8, end=len(tokens), reward=weight, value=2 * weight, weight=weight)]
            made.append(TokenSequence(tokens=tokens, spans=spans, messages=[ChatMessage(role="user", content="?")]))
        rows.append(Row(id=f"{number}/0", source="run", environment="alfworld", task_id=str(number), sequences=made))
    folder.mkdir()
    hashes = sorted(task_hash("alfworld", str(number)) for number in range(count))
    write_dataset(folder, rows, {"kind": "prepared sequences", "train_tasks": hashes})
    return rows


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("start"))


def trained(tmp_path: Path, start: Path, name: str = "out", **options: Any) -> FitResult:
    return fit(tmp_path / "data", start, TrainOptions(**(QUICK | options)), tmp_path / name)


def weights(folder: Path) -> dict[str, Any]:
    tensors: dict[str, Any] = load_file(folder / "model.safetensors")
    return tensors


def furthest(one: Path, other: Path) -> float:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    return max((a[key].float() - b[key].float()).abs().max().item() for key in a)


def by_hand(rows: list[Row], start: Path, order: list[list[int]], rate: float = 3e-3) -> Any:
    """The same training as a bare loop: AdamW, one step per list of rows, gradients clipped at 1."""
    model = transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    for step in order:
        batch = Collator(0)([columns(rows[number]) for number in step])
        epo_loss(target_logprobs(model, batch), segments_of(batch)).per_row.mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model


@pytest.mark.parametrize(("batch", "accumulation"), [(1, 6), (2, 3), (3, 2), (4, 2)])
def test_a_step_is_the_mean_over_its_rows_however_they_are_split(
    tmp_path: Path, start: Path, batch: int, accumulation: int
) -> None:
    """6 rows in one step. The last split is 4 + 2 rows: a mean of means would weigh the last two double."""
    rows = prepared(tmp_path / "data", count=6, sequences=2)
    made = trained(tmp_path, start, batch=batch, accumulation=accumulation, max_steps=1)
    expected = by_hand(rows, start, [list(range(6))]).state_dict()
    found = weights(made.checkpoint)
    assert max((found[key] - expected[key]).abs().max().item() for key in found) <= 1e-6
    assert made.curve[0]["rows"] == 6
    # Adam hides a gradient's size; its norm, before clipping, does not.
    model = transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    batch_of_all = Collator(0)([columns(row) for row in rows])
    epo_loss(target_logprobs(model, batch_of_all), segments_of(batch_of_all)).per_row.mean().backward()
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in model.parameters()])
    assert made.curve[0]["grad_norm"] == pytest.approx(norm.item(), rel=1e-4)


def test_the_loss_falls_on_a_fixed_batch_and_the_weights_move(tmp_path: Path, start: Path) -> None:
    prepared(tmp_path / "data", count=2)
    made = trained(tmp_path, start, batch=2, accumulation=1, max_steps=12, kl=0.0)
    losses = [line["loss"] for line in made.curve]
    assert made.steps == len(losses) == 12
    assert losses[-1] < 0.8 * losses[0]
    assert furthest(made.checkpoint, start) > 1e-3


def test_the_log_says_what_was_trained_on(tmp_path: Path, start: Path) -> None:
    rows = prepared(tmp_path / "data", count=6)
    made = trained(tmp_path, start, accumulation=6, max_steps=2)
    first = made.curve[0]
    spans = [span for row in rows for span in row.spans]
    assert first["mean_return"] == pytest.approx(sum(span.value for span in spans) / len(spans), rel=1e-5)
    assert first["weight"] == pytest.approx(sum(span.weight for span in spans) / len(spans), rel=1e-5)
    assert first["zero_returns"] == pytest.approx(2 / 6)
    assert first["tokens"] == sum(len(row.sequences[0].tokens) for row in rows)
    assert first["kl"] == pytest.approx(0.0, abs=1e-6) and made.curve[1]["kl"] > 1e-6
    assert first["tokens_per_second"] > 0
    batch = Collator(0)([columns(row) for row in rows])
    model = transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    loss = epo_loss(target_logprobs(model, batch), segments_of(batch))
    assert first["loss"] == pytest.approx(loss.per_row.mean().item(), abs=1e-5)
    assert first["logprob"] == pytest.approx(loss.logprob.mean().item(), abs=1e-5)


def test_tensorboard_gets_the_same_figures(tmp_path: Path, start: Path) -> None:
    required("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    prepared(tmp_path / "data", count=2)
    made = trained(tmp_path, start, max_steps=2, accumulation=2, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard")).Reload()
    found = {
        name: [event.value for event in events.Scalars(f"train/{name}")] for name in ("loss", "kl", "zero_returns")
    }
    assert found["loss"] == pytest.approx([line["loss"] for line in made.curve], rel=1e-5)
    assert found["kl"] == pytest.approx([line["kl"] for line in made.curve], abs=1e-6)


def test_a_finished_training_is_not_done_again_and_another_is_refused(tmp_path: Path, start: Path) -> None:
    prepared(tmp_path / "data", count=2)
    made = trained(tmp_path, start, max_steps=1)
    stamp = (made.checkpoint / "model.safetensors").stat().st_mtime_ns
    assert trained(tmp_path, start, max_steps=1) == made
    assert (made.checkpoint / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(BadInput, match=r"other options \(max_steps: 1 there, 2 now\)"):
        trained(tmp_path, start, max_steps=2)
    with pytest.raises(BadInput, match="other start"):
        trained(tmp_path, tiny.save(tmp_path / "other", seed=1), max_steps=1)


def test_the_checkpoint_is_loaded_and_talks_with_the_start_s_tokenizer_and_precision(tmp_path: Path) -> None:
    start = tiny.save(tmp_path / "start", dtype="bfloat16")
    model = transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.bfloat16)
    model.save_pretrained(start)
    prepared(tmp_path / "data", count=2)
    made = trained(tmp_path, start, max_steps=2)
    assert {tensor.dtype for tensor in weights(made.checkpoint).values()} == {torch.bfloat16}
    for name in ("tokenizer.json", "chat_template.jinja", "tokenizer_config.json"):
        assert (made.checkpoint / name).read_bytes() == (start / name).read_bytes()
    tokenizer = transformers.AutoTokenizer.from_pretrained(made.checkpoint)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "?"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    loaded = transformers.AutoModelForCausalLM.from_pretrained(made.checkpoint)
    assert loaded.generate(**prompt, max_new_tokens=4, do_sample=False).shape[1] > prompt["input_ids"].shape[1]


def test_the_checkpoint_says_which_tasks_it_and_its_start_learnt_from(tmp_path: Path) -> None:
    start = tiny.save(tmp_path / "start")
    write_training_tasks(start, [("webshop", "7")])
    prepared(tmp_path / "data", count=3)
    made = trained(tmp_path, start, max_steps=1)
    expected = {task_hash("webshop", "7"), *(task_hash("alfworld", str(number)) for number in range(3))}
    assert read_training_tasks(made.checkpoint / CARD) == expected
    said = json.loads((made.checkpoint / CARD).read_text("utf-8"))["description"]
    assert sha256_of(tmp_path / "data" / "dataset.jsonl") in said, "what identifies the data, not where they lay"


@pytest.mark.parametrize("merge", [True, False])
def test_lora_trains_adapters_and_leaves_a_model_that_answers_as_they_do(
    tmp_path: Path, start: Path, merge: bool
) -> None:
    peft = required("peft")
    rows = prepared(tmp_path / "data", count=4)
    made = trained(
        tmp_path, start, max_steps=3, accumulation=2, lora=LoraOptions(r=4, alpha=8, merge=merge), learning_rate=3e-2
    )
    adapter = made.checkpoint / "adapter" if merge else made.checkpoint
    base = transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    before = logprobs(base, rows)
    adapted = logprobs(peft.PeftModel.from_pretrained(base, str(adapter)), rows)
    assert (adapted - before).abs().max().item() > 1e-3
    if merge:
        whole = transformers.AutoModelForCausalLM.from_pretrained(made.checkpoint, dtype=torch.float32)
        assert (logprobs(whole, rows) - adapted).abs().max().item() <= 1e-4


def logprobs(model: Any, rows: list[Row]) -> Any:
    with torch.no_grad():
        return target_logprobs(model.eval(), Collator(0)([columns(row) for row in rows]))


def test_gradient_checkpointing_changes_nothing(tmp_path: Path, start: Path) -> None:
    prepared(tmp_path / "data", count=4)
    one = trained(tmp_path, start, "one", max_steps=2, accumulation=2)
    two = trained(tmp_path, start, "two", max_steps=2, accumulation=2, gradient_checkpointing=True)
    assert furthest(one.checkpoint, two.checkpoint) <= 1e-6


def test_bf16_stays_close_to_float32(tmp_path: Path, start: Path) -> None:
    prepared(tmp_path / "data", count=4)
    exact = trained(tmp_path, start, "exact", max_steps=1, accumulation=4)
    rounded = trained(tmp_path, start, "rounded", max_steps=1, accumulation=4, bf16=True)
    assert rounded.curve[0]["loss"] == pytest.approx(exact.curve[0]["loss"], rel=0.02)
    assert rounded.curve[0]["loss"] != exact.curve[0]["loss"]


def test_clipping_and_kl_hold_the_model_near_its_start(tmp_path: Path, start: Path) -> None:
    prepared(tmp_path / "data", count=4)
    shared = {"max_steps": 20, "accumulation": 4, "learning_rate": 1e-2}
    free = trained(tmp_path, start, "free", **shared)
    held = trained(tmp_path, start, "held", kl=1.0, **shared)
    clipped = trained(tmp_path, start, "clipped", clip=0.2, **shared)
    assert clipped.curve[0]["weight"] == pytest.approx(free.curve[0]["weight"], rel=1e-4)  # the ratio starts at 1
    assert held.curve[-1]["kl"] < 0.5 * free.curve[-1]["kl"]
    assert abs(clipped.curve[-1]["weight"]) < 0.5 * abs(free.curve[-1]["weight"])  # most strategies are clipped


def test_the_clipped_loss_of_the_first_step_is_minus_the_mean_weight(tmp_path: Path, start: Path) -> None:
    rows = prepared(tmp_path / "data", count=4)
    made = trained(tmp_path, start, clip=0.2, max_steps=1, accumulation=4)
    means = [sum(span.weight for span in row.spans) / len(list(row.spans)) for row in rows]
    assert made.curve[0]["loss"] == pytest.approx(-sum(means) / 4, abs=1e-5)


def test_two_trainings_with_one_seed_are_the_same_and_another_seed_is_not(tmp_path: Path, start: Path) -> None:
    prepared(tmp_path / "data", count=8)
    options = {"max_steps": 3, "accumulation": 2}
    one = trained(tmp_path, start, "one", **options)
    random_before = torch.random.get_rng_state().clone()
    same = trained(tmp_path, start, "same", **options)
    assert torch.equal(torch.random.get_rng_state(), random_before)  # the caller's generator is left alone
    other = trained(tmp_path, start, "other", seed=1, **options)
    assert furthest(one.checkpoint, same.checkpoint) == 0.0
    assert furthest(one.checkpoint, other.checkpoint) > 0.0


def test_data_of_another_tokenizer_is_refused(tmp_path: Path) -> None:
    start = tiny.save(tmp_path / "start", vocabulary=100)
    prepared(tmp_path / "data", count=2)
    with pytest.raises(BadInput, match="prepared with another tokenizer"):
        trained(tmp_path, start, max_steps=1)


def test_a_folder_that_is_no_model_or_no_data_is_refused(tmp_path: Path, start: Path) -> None:
    prepared(tmp_path / "data", count=2)
    with pytest.raises(BadInput, match="harness models convert"):
        trained(tmp_path, tmp_path / "nothing")
    with pytest.raises(BadInput, match="harness train prepare"):
        fit(start, start, TrainOptions(**QUICK), tmp_path / "out")


# --- kills ----------------------------------------------------------------------------------------------------------


def command(tmp_path: Path, start: Path, name: str, **options: Any) -> list[str]:
    given = [part for key, value in (QUICK | options).items() for part in ("--option", f"{key}={json.dumps(value)}")]
    parts = [sys.executable, "-m", "harness.cli", "train", "fit", str(tmp_path / "data")]
    return [*parts, "--model", str(start), "--out", str(tmp_path / name), *given]


def kill_when(process: subprocess.Popen[bytes], condition: Any, seconds: float = 300) -> None:
    """SIGKILL as soon as the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["training", "saving", "finishing"])
def test_a_training_killed_at_any_moment_goes_on_to_the_same_weights(tmp_path: Path, start: Path, moment: str) -> None:
    prepared(tmp_path / "data", count=8)
    options = {"max_steps": 6, "accumulation": 2, "save_steps": 2}
    whole = trained(tmp_path, start, "whole", **options)
    out = tmp_path / "killed"
    states = out / "checkpoints"
    conditions = {
        "training": lambda: (states / "checkpoint-2" / "whole.json").exists(),
        "saving": lambda: (states / "checkpoint-4").exists() and not (states / "checkpoint-4" / "whole.json").exists(),
        "finishing": lambda: any(out.glob(".model.*.part")),
    }
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    with open(tmp_path / "log.txt", "wb") as log:
        process = subprocess.Popen(
            command(tmp_path, start, "killed", **options), env=environment, stdout=log, stderr=log
        )
        kill_when(process, conditions[moment])
    assert not (out / "model").exists()
    done = subprocess.run(
        command(tmp_path, start, "killed", **options), env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert furthest(out / "model", whole.checkpoint) == 0.0
    log_lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log_lines] == [1, 2, 3, 4, 5, 6]
    assert [line["loss"] for line in log_lines] == [line["loss"] for line in whole.curve]
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == [".lock"]


def test_two_trainings_on_one_folder_the_second_is_refused(tmp_path: Path, start: Path) -> None:
    from harness.results.holding import RunLock

    prepared(tmp_path / "data", count=2)
    (tmp_path / "out").mkdir()
    lock = RunLock(tmp_path / "out")
    lock.acquire()
    try:
        with pytest.raises(BadInput, match="being written by another process"):
            trained(tmp_path, start, max_steps=1)
    finally:
        lock.release()


def test_the_options_are_those_of_the_loss() -> None:
    """`TrainOptions` names them again, so that reading a config needs no torch."""
    options, loss = TrainOptions(), LossOptions()
    assert (options.kl, options.clip, options.ratio) == (loss.kl, loss.clip, loss.ratio)
