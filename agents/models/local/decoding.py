"""Generating answers to several prompts at once with one transformers model: each row has its own temperature, seed,
length, stop sequences and schema. A plain loop over tokens, so that a finished row leaves the batch at once and every
choice (and its probability) is ours to record. torch only; nothing here knows of threads or requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

import torch
from torch import Tensor


class Grammar(Protocol):
    """Which tokens may come next in one row."""

    def mask(self) -> Tensor:
        """(vocabulary,) bool on the CPU: True where a token may follow."""

    def take(self, token: int) -> bool:
        """Go on with a token; True when nothing can follow any more."""


@dataclass(slots=True, eq=False)
class Row:
    """One answer in the making."""

    prompt: list[int]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    random: Random = field(default_factory=lambda: Random(0))
    grammar: Grammar | None = None
    abandoned: Callable[[], bool] = lambda: False
    """True if nobody waits for the answer any more."""
    tokens: list[int] = field(default_factory=list)
    """Tokens that were generated, the end-of-turn token included when it came to one."""
    logprobs: list[float] = field(default_factory=list)
    """Log-probability of each token at the row's temperature (0: the model's own, as at 1), before top_p and grammar."""
    text: str = ""
    finish_reason: str = ""
    """stop | length | abandoned; empty until it is done."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Tokens that end an answer, and the decoder of its tokens."""

    end_tokens: frozenset[int]
    pad: int
    decode: Callable[[Sequence[int]], str]


@torch.no_grad()
def generate(model: Any, rows: Sequence[Row], ending: Ending, done: Callable[[Row], None]) -> None:
    """Fill in every row's tokens, log-probabilities, text and finish reason; `done` is called for each row as soon as it
    is finished. `model`: a causal language model of transformers in eval mode.

    Prompts are padded on the left, so that all rows go on at the same place; positions and attention leave the padding
    out."""
    from transformers import DynamicCache

    tokens, mask = _padded(rows, ending.pad, model.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache, live = DynamicCache(config=model.config), list(rows)
    while live:
        output = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        chosen = _choose(output.logits[:, -1].float(), live)
        staying = [number for number, row in enumerate(live) if not _finish(row, ending, done)]
        if len(staying) < len(live):
            live = [live[number] for number in staying]
            index = torch.tensor(staying, device=mask.device, dtype=torch.long)
            chosen, mask, positions = chosen[index], mask[index], positions[index]
            if live:
                cache.batch_select_indices(index)
        tokens, positions = chosen[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)


def _padded(rows: Sequence[Row], pad: int, device: Any) -> tuple[Tensor, Tensor]:
    """(rows, longest prompt) token ids, and 1 where a token stands."""
    width = max(len(row.prompt) for row in rows)
    tokens = [[pad] * (width - len(row.prompt)) + row.prompt for row in rows]
    mask = [[0] * (width - len(row.prompt)) + [1] * len(row.prompt) for row in rows]
    return torch.tensor(tokens, device=device), torch.tensor(mask, device=device)


def _choose(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """(rows,): the next token of each row, written down in it. `logits`: (rows, vocabulary) float32."""
    heat = logits.new_tensor([row.temperature or 1.0 for row in rows])[:, None]
    logprobs = torch.log_softmax(logits / heat, dim=-1)
    allowed = _allowed(logits, rows)
    chosen = allowed.argmax(dim=-1)
    sampled = [number for number, row in enumerate(rows) if row.temperature > 0]
    # Apart, because a row must draw alike whether or not its neighbours have a nucleus.
    for group in ([n for n in sampled if rows[n].top_p >= 1], [n for n in sampled if rows[n].top_p < 1]):
        if group:
            index = torch.tensor(group, device=logits.device)
            chosen[index] = _sample(allowed[index], [rows[number] for number in group])
    of_chosen = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
    for row, token, logprob in zip(rows, chosen.tolist(), of_chosen, strict=True):
        row.tokens.append(token)
        row.logprobs.append(min(0.0, logprob))
    return chosen


def _allowed(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """The logits, with what a row's grammar forbids at minus infinity."""
    if all(row.grammar is None for row in rows):
        return logits
    allowed = torch.ones(logits.shape, dtype=torch.bool)
    for number, row in enumerate(rows):
        if row.grammar is not None:
            allowed[number] = False
            may = row.grammar.mask()[: logits.shape[1]]
            allowed[number, : len(may)] = may
    return logits.masked_fill(~allowed.to(logits.device), float("-inf"))


def _sample(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """(rows,): a token of each row (all with a nucleus, or none), drawn by its own random numbers (one per token), so that
    what a row draws does not depend on its neighbours. Nucleus sampling keeps the fewest likeliest tokens whose
    probabilities reach `top_p` (Holtzman et al. 2020)."""
    heat = logits.new_tensor([row.temperature for row in rows])[:, None]
    draws = torch.tensor([[row.random.random()] for row in rows], dtype=torch.float64, device=logits.device)
    probabilities = torch.softmax(logits / heat, dim=-1).double()
    if rows[0].top_p >= 1:  # sorting a vocabulary costs more than the rest of the step
        return _drawn(probabilities, draws)[:, 0]
    probabilities, order = probabilities.sort(dim=-1, descending=True, stable=True)
    nucleus = probabilities.new_tensor([row.top_p for row in rows])[:, None]
    before = probabilities.cumsum(1) - probabilities
    return order.gather(1, _drawn(probabilities * (before < nucleus), draws))[:, 0]


def _drawn(weights: Tensor, draws: Tensor) -> Tensor:
    """(rows, 1): where a draw of 0..1 falls among weights (rows, tokens)."""
    heights = weights.cumsum(1)
    place = torch.searchsorted(heights, draws * heights[:, -1:], right=True)
    # A draw of almost 1 must not fall behind the last token that may come.
    last = (heights < heights[:, -1:]).sum(1, keepdim=True)
    return torch.minimum(place, last)


def _finish(row: Row, ending: Ending, done: Callable[[Row], None]) -> bool:
    """True if the row's last token ended it; then its text is there, and `done` was called."""
    token = row.tokens[-1]
    # After this token nothing else may come, though the model did not say that it is at the end.
    over = row.grammar is not None and row.grammar.take(token)
    ended = token in ending.end_tokens
    body = row.tokens[:-1] if ended else row.tokens
    cut = first_stop(ending.decode(body), row.stop) if row.stop else None
    if ended or over or cut is not None:
        row.finish_reason = "stop"
    elif len(row.tokens) >= row.max_tokens:
        row.finish_reason = "length"
    elif row.abandoned():
        row.finish_reason = "abandoned"
    else:
        return False
    row.text = ending.decode(body)[:cut]
    done(row)
    return True


def first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Position of the first stop sequence; None when there is none."""
    return min((at for stop in stops if stop and (at := text.find(stop)) >= 0), default=None)


class JsonGrammar:
    """Tokens that keep an answer on the way to JSON by a schema, through llguidance."""

    def __init__(self, tokenizer: Any, schema: Mapping[str, Any]) -> None:
        """`tokenizer`: llguidance's. Raises `ValueError` for a schema that it cannot follow."""
        from llguidance import LLMatcher

        grammar = LLMatcher.grammar_from_json_schema(
            json.dumps(schema), overrides={"whitespace_pattern": r"[ \n]?", "lenient": False}
        )
        self._matcher = LLMatcher(tokenizer, grammar)
        self._size = tokenizer.vocab_size
        if self._matcher.is_error():
            raise ValueError(self._matcher.get_error())

    def mask(self) -> Tensor:
        """See `Grammar`."""
        import numpy as np

        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        return torch.from_numpy(np.unpackbits(bits, bitorder="little")[: self._size].astype(bool))

    def take(self, token: int) -> bool:
        """See `Grammar`."""
        self._matcher.consume_token(token)
        return bool(self._matcher.is_stopped())
