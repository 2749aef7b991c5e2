"""The loss is EPO's: to the formula as plain loops, to finite differences, however it is batched."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.extras import required

torch = required("torch")
transformers = required("transformers")

from harness.training.fit.loss import (  # noqa: E402
    Collator,
    Loss,
    LossOptions,
    Segments,
    epo_loss,
    kl_estimate,
    segments_of,
    selected_logprobs,
    target_logprobs,
)
from tests.harness.training import plain, tiny  # noqa: E402

Rows = list[list[list[float]]]
"""Row -> strategy -> token -> log-probability."""


def drawn(seed: int, rows: int = 4) -> tuple[Rows, Rows, list[list[float]]]:
    """Log-probabilities of rows of different shapes, others close to them, and weights (negative ones and zeros too)."""
    chance = random.Random(seed)
    shapes = [[chance.randint(1, 9) for _ in range(chance.randint(1, 6))] for _ in range(rows)]
    mine = [[[chance.uniform(-8, -0.01) for _ in range(tokens)] for tokens in row] for row in shapes]
    other = [[[min(p + chance.gauss(0, 0.4), -1e-3) for p in strategy] for strategy in row] for row in mine]
    weights = [[chance.choice([0.0, 1.0, chance.uniform(-1, 1)]) for _ in row] for row in shapes]
    return mine, other, weights


def flat(rows: Rows) -> Any:
    return torch.tensor([p for row in rows for strategy in row for p in strategy], dtype=torch.float64)


def segments(rows: Rows, weights: Sequence[Sequence[float]]) -> Segments:
    sizes = [(number, len(strategy)) for number, row in enumerate(rows) for strategy in row]
    return Segments(
        token_strategy=torch.tensor([k for k, (_, size) in enumerate(sizes) for _ in range(size)]),
        weights=torch.tensor([weight for row in weights for weight in row], dtype=torch.float64),
        strategy_row=torch.tensor([number for number, _ in sizes]),
        rows=len(rows),
    )


def loss_of(rows: Rows, weights: list[list[float]], options: LossOptions | None = None, **others: Rows) -> Loss:
    return epo_loss(flat(rows), segments(rows, weights), options, **{key: flat(value) for key, value in others.items()})


@pytest.mark.parametrize("seed", range(8))
def test_the_defaults_are_the_reference_formula(seed: int) -> None:
    rows, _, weights = drawn(seed)
    expected = [plain.epo_row(row, weight) for row, weight in zip(rows, weights, strict=True)]
    assert loss_of(rows, weights).per_row.tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("unit", ["token", "strategy"])
@pytest.mark.parametrize("seed", range(4))
def test_clipping_is_the_papers_formula(seed: int, unit: Any) -> None:
    rows, old, weights = drawn(seed)
    expected = [
        plain.clipped_row(row, before, weight, 0.2, unit)
        for row, before, weight in zip(rows, old, weights, strict=True)
    ]
    found = loss_of(rows, weights, LossOptions(clip=0.2, ratio=unit), old=old)
    assert found.per_row.tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_kl_is_added_with_its_weight(seed: int) -> None:
    rows, reference, weights = drawn(seed)
    found = loss_of(rows, weights, LossOptions(kl=0.3), reference=reference)
    expected = [
        plain.epo_row(row, weight) + 0.3 * plain.k3_row(row, other)
        for row, weight, other in zip(rows, weights, reference, strict=True)
    ]
    assert found.per_row.tolist() == pytest.approx(expected, abs=1e-9)
    assert found.kl is not None and (found.kl >= 0).all()


def test_the_kl_estimate_is_the_kl_on_average() -> None:
    """Over tokens drawn from the model, exp(d) - d - 1 has KL(model || reference) as its mean."""
    logits = torch.tensor([[1.0, 0.0, -1.0, 0.5], [0.2, 0.3, 0.1, -0.4]], dtype=torch.float64)
    model, reference = logits.log_softmax(-1)
    exact = (model.exp() * (model - reference)).sum()
    assert (model.exp() * kl_estimate(model, reference)).sum().item() == pytest.approx(exact.item(), abs=1e-12)


def test_a_needed_reference_that_is_missing_is_an_error() -> None:
    rows, _, weights = drawn(0)
    with pytest.raises(ValueError, match="reference"):
        loss_of(rows, weights, LossOptions(kl=0.1))
    with pytest.raises(ValueError, match="old"):
        loss_of(rows, weights, LossOptions(clip=0.1))


@pytest.mark.parametrize("unit", ["token", "strategy"])
def test_with_clipping_the_first_step_is_epos(unit: Any) -> None:
    rows, _, weights = drawn(3)
    gradients = []
    for options, others in ((LossOptions(), {}), (LossOptions(clip=0.2, ratio=unit), {"old": flat(rows)})):
        logprobs = flat(rows).requires_grad_()
        epo_loss(logprobs, segments(rows, weights), options, **others).per_row.mean().backward()
        gradients.append(logprobs.grad)
    assert torch.allclose(*gradients, atol=1e-12)


def test_a_clipped_strategy_has_no_gradient_and_no_effective_weight() -> None:
    rows, old = [[[-1.0, -1.0], [-1.0]]], [[[-2.0, -2.0], [-1.0]]]
    logprobs = flat(rows).requires_grad_()
    found = epo_loss(logprobs, segments(rows, [[1.0, 1.0]]), LossOptions(clip=0.2), old=flat(old))
    found.per_row.sum().backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [0.0, 0.0, -0.5]
    assert found.weight.tolist() == [0.0, 1.0]


def test_selected_log_probabilities_are_those_of_the_softmax() -> None:
    logits = torch.randn(7, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    targets = torch.arange(7)
    expected = logits.log_softmax(-1)[torch.arange(7), targets]
    assert torch.allclose(selected_logprobs(logits, targets).double(), expected, atol=1e-6)


# --- with a model ---------------------------------------------------------------------------------------------------


def table(seed: int, rows: int = 3, sequences: int = 1) -> list[dict[str, Any]]:
    """Rows of random tokens with strategies in them, as the collator takes them."""
    chance = random.Random(seed)
    made = []
    for _ in range(rows):
        tokens, spans = [], []
        for number in range(sequences if sequences == 1 else chance.randint(2, sequences)):
            length = chance.randint(20, 40)
            tokens.append([chance.randrange(5, 400) for _ in range(length)])
            places = sorted(chance.sample(range(1, length), 4 if sequences == 1 else 2))
            spans += [[number, begin, end] for begin, end in zip(places[::2], places[1::2], strict=True)]
        weights = [chance.uniform(-1, 1) for _ in spans]
        made.append({"tokens": tokens, "spans": spans, "weights": weights, "values": weights})
    return made


def model_loss(model: Any, rows: list[dict[str, Any]]) -> Any:
    batch = Collator(0)(rows)
    return epo_loss(target_logprobs(model, batch), segments_of(batch)).per_row


def one_by_one(model: Any, rows: list[dict[str, Any]]) -> Rows:
    """Log-probabilities by one unpadded sequence after the other, all logits, plain indexing."""
    found: Rows = []
    for row in rows:
        found.append([])
        for number, begin, end in row["spans"]:
            tokens = row["tokens"][number]
            with torch.no_grad():
                table_ = model(torch.tensor([tokens]), use_cache=False).logits[0].log_softmax(-1)
            found[-1].append([table_[place - 1, tokens[place]].item() for place in range(begin, end)])
    return found


@pytest.mark.parametrize("sequences", [1, 5])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_batched_log_probabilities_are_those_of_one_sequence_at_a_time(sequences: int, attention: str) -> None:
    model, rows = tiny.model(attn_implementation=attention), table(5, rows=4, sequences=sequences)
    with torch.no_grad():
        batched = target_logprobs(model, Collator(0)(rows))
    assert (batched - flat(one_by_one(model, rows)).float()).abs().max().item() <= 1e-5


def test_a_model_that_can_not_keep_some_logits_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = tiny.model(), Collator(0)(table(5, rows=3, sequences=3))
    some = target_logprobs(model, batch)
    monkeypatch.setattr("harness.training.fit.loss._keeps_logits", lambda _: False)
    assert torch.allclose(some, target_logprobs(model, batch), atol=1e-5)


@pytest.mark.parametrize("sequences", [1, 4])
def test_the_loss_of_a_batch_is_the_plain_loops_over_one_sequence_at_a_time(sequences: int) -> None:
    model, rows = tiny.model(), table(11, rows=4, sequences=sequences)
    found = model_loss(model, rows)
    expected = [plain.epo_row(row, raw["weights"]) for row, raw in zip(one_by_one(model, rows), rows, strict=True)]
    assert max(abs(a - b) for a, b in zip(found.tolist(), expected, strict=True)) <= 1e-5


def test_gradients_are_the_finite_differences() -> None:
    """In float64, on a GPT-2 of two layers: a Llama rounds to float32 on the way, which no finite difference survives."""
    config = transformers.GPT2Config(
        vocab_size=420, n_positions=64, n_embd=16, n_layer=2, n_head=2, initializer_range=0.2
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.GPT2LMHeadModel(config).double().eval()
    batch = Collator(0)(table(2, rows=2, sequences=2))
    batch["weights"] = batch["weights"].double()

    def loss() -> Any:
        return epo_loss(target_logprobs(model, batch), segments_of(batch)).per_row.mean()

    loss().backward()
    chance, step = random.Random(0), 1e-5
    for name, parameter in model.named_parameters():
        gradient, values = parameter.grad.view(-1), parameter.data.view(-1)
        for place in chance.sample(range(len(values)), 4):
            kept = values[place].item()
            values[place] = kept + step
            above = loss().item()
            values[place] = kept - step
            below = loss().item()
            values[place] = kept
            assert gradient[place].item() == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-9), name


def test_how_rows_are_spread_over_micro_batches_does_not_matter() -> None:
    rows = table(7, rows=6)
    gradients = []
    for parts in ([rows], [rows[:2], rows[2:5], rows[5:]], [[row] for row in rows]):
        model = tiny.model()
        for part in parts:
            (model_loss(model, part).sum() / len(rows)).backward()
        gradients.append(torch.cat([parameter.grad.view(-1) for parameter in model.parameters()]))
    assert (gradients[0] - gradients[1]).abs().max().item() <= 1e-6
    assert (gradients[0] - gradients[2]).abs().max().item() <= 1e-6


def test_an_episode_whose_returns_are_zero_contributes_nothing() -> None:
    rows = table(9, rows=2)
    rows[0]["weights"] = [0.0 for _ in rows[0]["weights"]]
    model = tiny.model()
    loss = model_loss(model, rows)
    assert loss[0].item() == 0.0
    loss.sum().backward()
    both = [parameter.grad.clone() for parameter in model.parameters()]
    alone = tiny.model()
    model_loss(alone, rows[1:]).sum().backward()
    assert all(torch.allclose(a, b.grad, atol=1e-6) for a, b in zip(both, alone.parameters(), strict=True))


def test_tokens_outside_the_strategies_are_not_trained_on() -> None:
    rows = table(4, rows=1)
    model = tiny.model()
    batch = Collator(0)(rows)
    embedded = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    logits = model(inputs_embeds=embedded, use_cache=False).logits
    logits.retain_grad()
    place = batch["target_position"] - 1
    picked = selected_logprobs(logits[batch["target_sequence"], place], batch["target_tokens"])
    epo_loss(picked, segments_of(batch)).per_row.sum().backward()
    trained = set(place.tolist())
    assert logits.grad is not None
    touched = {number for number, row in enumerate(logits.grad[0]) if row.abs().max() > 0}
    assert touched == trained == {p - 1 for _, begin, end in rows[0]["spans"] for p in range(begin, end)}


@pytest.mark.parametrize("layout", [1, 4])
def test_a_model_with_learned_positions_counts_them_from_its_own_first_token(layout: int) -> None:
    """Padding on the left moves a short sequence to the right; its positions must not move with it."""
    config = transformers.GPT2Config(
        vocab_size=420, n_positions=64, n_embd=16, n_layer=2, n_head=2, initializer_range=0.2
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.GPT2LMHeadModel(config).eval()
    rows = table(3, rows=4, sequences=layout)
    with torch.no_grad():
        batched = target_logprobs(model, Collator(0)(rows))
    assert (batched - flat(one_by_one(model, rows)).float()).abs().max().item() <= 1e-5
