"""`clip` corrects for what the engine sampled with: its log-probabilities, at its temperature, truncated, and logged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.training.data.dataset import MANIFEST, Row, read_dataset, write_dataset
from tests.extras import required

torch = required("torch")
transformers = required("transformers")
required("trl")

from harness.training.fit.loss import (  # noqa: E402
    Collator,
    LossOptions,
    Segments,
    columns,
    epo_loss,
    own_and_sampled_logprobs,
)
from tests.harness.training import tiny  # noqa: E402
from tests.harness.training.test_fit import prepared, trained  # noqa: E402

SEGMENTS = Segments(torch.tensor([0, 0, 1]), torch.tensor([1.0, -0.5]), torch.tensor([0, 1]), 2)


@pytest.mark.parametrize(
    ("ratio", "weights"),
    [("token", [(1.5 + 2.0) / 2, -0.5]), ("strategy", [math.sqrt(1.5 * 3.0), -0.5])],
)
def test_the_gain_is_weighted_by_how_much_likelier_the_start_finds_what_was_sampled(
    ratio: Any, weights: list[float]
) -> None:
    """The first token 1.5 times, the second 3 times (more than 2, so truncated token by token), the third is not known."""
    old = torch.log(torch.tensor([0.3, 0.3, 0.5]))
    engine = torch.log(torch.tensor([0.2, 0.1, math.nan]))
    loss = epo_loss(old.clone(), SEGMENTS, LossOptions(clip=0.2, ratio=ratio), old=old, engine=engine)
    truncated = [min(weight, 2.0) for weight in weights[:1]] + weights[1:]
    assert loss.weight.tolist() == pytest.approx(truncated)
    assert loss.mismatch is not None and loss.mismatch.tolist() == pytest.approx([math.log(1.5), math.log(3.0)])
    assert loss.truncated is not None and loss.truncated.tolist() == [0.0, 1.0]
    plain = epo_loss(old.clone(), SEGMENTS, LossOptions(clip=0.2, ratio=ratio), old=old)
    assert plain.weight.tolist() == pytest.approx([1.0, -0.5]) and plain.mismatch is None


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("start"))


def recorded(folder: Path, start: Path, heat: float, apart: float) -> list[Row]:
    """A data set whose strategies were sampled at a temperature by an engine that finds each token e^apart times less likely."""
    prepared(folder, count=4)
    model = transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32).eval()
    rows = read_dataset(folder)
    for row in rows:
        for span in row.spans:
            span.temperature = heat
        with torch.no_grad():
            values = own_and_sampled_logprobs(model, Collator(0)([columns(row)]))[1].tolist()
        for span in row.spans:
            span.logprobs = [value - apart for value in values[: span.end - span.start]]
            values = values[span.end - span.start :]
    write_dataset(folder, rows, json.loads((folder / MANIFEST).read_text()))
    return rows


def test_trainer_and_engine_are_compared_at_the_temperature_that_was_sampled_at(tmp_path: Path, start: Path) -> None:
    rows = recorded(tmp_path / "data", start, heat=0.7, apart=0.25)
    made = trained(tmp_path, start, clip=0.2, max_steps=1, accumulation=4, track_kl=False)
    assert made.curve[0]["mismatch"] == pytest.approx(0.25, abs=1e-4)
    assert made.curve[0]["truncated"] == 0.0
    mean = sum(span.weight for row in rows for span in row.spans) / 4
    assert made.curve[0]["weight"] == pytest.approx(mean * math.exp(0.25), rel=1e-3)


def test_without_recorded_log_probabilities_nothing_is_corrected(tmp_path: Path, start: Path) -> None:
    prepared(tmp_path / "data", count=4)
    made = trained(tmp_path, start, clip=0.2, max_steps=1, accumulation=4, track_kl=False)
    assert "mismatch" not in made.curve[0]
