"""One loaded transformers model, shared by everybody in the process who asks for it: a thread of its own collects the
requests that come at about the same time and generates their answers as one batch, so that the event loop stays free.

Where more wait than half a batch, a batch is made of requests alike: every row is padded to the longest prompt, and nobody
joins before the longest answer is done, so a judge's page among one-line strategies would make all others wait. Few go together
as they are: a step costs nearly the same for one row as for some.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

from agents.models.local.decoding import Ending, Row, generate
from harness.base.errors import BadInput

PATIENCE = 4
"""So many batches may pass a request over for others that are more; the next one is its own and what is like it."""
_PROCESSOR = threading.Lock()
"""Held while a model on the processor generates: two at once would have twice the threads there are cores for."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model and its tokeniser. `adapters` maps an adapter's key to its name in the model (peft)."""

    model: Any
    tokenizer: Any
    adapters: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Job:
    """A row that waits for its turn."""

    row: Row
    adapter: str | None
    answer: Future[Row] = field(default_factory=Future)
    passed: int = 0
    """Batches that went before it though they came later."""


class BatchEngine:
    """`load` is called once, in the first caller's thread; `wait_s`: how long a batch stays open for more requests after
    its first. Thread-safe. `users` counts the models that hold it."""

    def __init__(self, load: Callable[[], Loaded], batch_size: int, wait_s: float) -> None:
        self.users = 0
        self.batches: deque[int] = deque(maxlen=1000)
        """Sizes of the last batches."""
        self._load = load
        self._batch_size = batch_size
        self._wait_s = wait_s
        self._loaded: Loaded | None = None
        self._loading = threading.Lock()
        self._using = threading.Lock()
        """Held while the model generates or gets another adapter."""
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._grammar_tokenizer: Any = None

    def loaded(self) -> Loaded:
        """The model, loaded when it is not there yet. Blocks; raises what `load` raises."""
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
                self._thread = threading.Thread(target=self._serve, name="transformers batches", daemon=True)
                self._thread.start()
            return self._loaded

    def adapter(self, key: str, path: str) -> None:
        """Load the LoRA adapter in a folder beside those that are there; `key` stands for it in `submit`. Raises `BadInput`."""
        from peft import PeftModel

        loaded = self.loaded()
        with self._loading, self._using:
            loaded = self._loaded or loaded
            if key in loaded.adapters:
                return
            name = f"adapter{len(loaded.adapters)}"
            try:
                if isinstance(loaded.model, PeftModel):
                    loaded.model.load_adapter(path, adapter_name=name)
                    model = loaded.model
                else:
                    model = PeftModel.from_pretrained(loaded.model, path, adapter_name=name)
            except (OSError, ValueError, RuntimeError, KeyError) as error:
                said = " ".join(str(error).split())[:300]
                raise BadInput(f"the adapter {path} cannot be loaded into the model: {said}") from error
            model.eval()
            self._loaded = Loaded(model, loaded.tokenizer, {**loaded.adapters, key: name})

    def grammar_tokenizer(self) -> Any:
        """The tokeniser as llguidance reads it; made once (about a second)."""
        from llguidance.hf import from_tokenizer

        loaded = self.loaded()
        with self._loading:
            if self._grammar_tokenizer is None:
                ends = sorted(ending_of(loaded).end_tokens)
                size = loaded.model.get_output_embeddings().weight.shape[0]
                self._grammar_tokenizer = from_tokenizer(loaded.tokenizer, n_vocab=size, eos_token=ends)
            return self._grammar_tokenizer

    def submit(self, row: Row, adapter: str | None = None) -> Future[Row]:
        """The row, finished. A future that is cancelled leaves its batch at the next token."""
        job = Job(row, adapter)
        row.abandoned = job.answer.cancelled
        with self._changed:
            if self._closed:
                raise RuntimeError("the model was closed")
            self._queue.append(job)
            self._changed.notify()
        return job.answer

    def close(self) -> None:
        """Let go of the model. What waits fails."""
        with self._changed:
            self._closed = True
            waiting, self._queue = list(self._queue), deque()
            self._changed.notify()
        for job in waiting:
            _fail(job.answer, RuntimeError("the model was closed"))
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(30)
        self._loaded = None

    def _serve(self) -> None:
        while batch := self._next_batch():
            self.batches.append(len(batch))
            rows = {id(job.row): job for job in batch}
            try:
                self._generate(batch, lambda row, rows=rows: _give(rows[id(row)].answer, row))  # type: ignore[misc]
            except Exception as error:  # whatever torch raises belongs to those who asked, not to this thread
                for job in batch:
                    _fail(job.answer, error)

    def _next_batch(self) -> list[Job]:
        """Requests that are alike; empty when the engine is closed."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            until = time.monotonic() + self._wait_s
            while len(self._queue) < self._batch_size and not self._closed:
                if (left := until - time.monotonic()) <= 0:
                    break
                self._changed.wait(left)
            if self._closed or not self._queue:
                return []
            batch = next_batch(self._queue, self._batch_size)
            for job in batch:
                self._queue.remove(job)
            for job in self._queue:
                job.passed += 1
            return batch

    def _generate(self, batch: list[Job], done: Callable[[Row], None]) -> None:
        with self._using:
            loaded = self._loaded
            assert loaded is not None
            with _PROCESSOR if loaded.model.device.type == "cpu" else contextlib.nullcontext():
                _generate_with(loaded, batch, done)


def next_batch(queue: Sequence[Job], size: int) -> list[Job]:
    """Pick up to `size` similar requests, in their order: from the largest group of similar ones, or from the oldest request once
    it has waited `PATIENCE` batches. All of one adapter where no more than half a batch waits. `queue`: oldest first, not
    empty."""
    first = queue[0]
    if len(queue) <= size // 2:
        return [job for job in queue if job.adapter == first.adapter]
    if first.passed < PATIENCE:
        # Of equal kinds one stands for all: a queue has few kinds.
        kinds = {(job.adapter, len(job.row.prompt), job.row.max_tokens): job for job in reversed(queue)}
        counts = {kind: sum(_like(job, other) for other in queue) for kind, job in kinds.items()}
        most_waiting = max(min(count, size) for count in counts.values())
        large = {kind for kind, count in counts.items() if min(count, size) == most_waiting}
        first = next(job for job in queue if (job.adapter, len(job.row.prompt), job.row.max_tokens) in large)
    return [job for job in queue if _like(first, job)][:size]


def _like(one: Job, other: Job) -> bool:
    """Same adapter; prompts that differ by less than 128 tokens or twice, answers by less than 32 or four times."""
    return (
        one.adapter == other.adapter
        and _near(len(one.row.prompt), len(other.row.prompt), 128, 2)
        and _near(one.row.max_tokens, other.row.max_tokens, 32, 4)
    )


def _near(one: int, other: int, difference: int, ratio: int) -> bool:
    return abs(one - other) < difference or max(one, other) < ratio * min(one, other)


def _generate_with(loaded: Loaded, batch: list[Job], done: Callable[[Row], None]) -> None:
    was_training = loaded.model.training
    loaded.model.eval()
    try:
        with _with_adapter(loaded, batch[0].adapter) as model:
            generate(model, [job.row for job in batch], ending_of(loaded), done)
    finally:
        if was_training:
            loaded.model.train()


@contextlib.contextmanager
def _with_adapter(loaded: Loaded, key: str | None) -> Iterator[Any]:
    if key is not None:
        loaded.model.set_adapter(loaded.adapters[key])
        yield loaded.model
    elif loaded.adapters:
        with loaded.model.disable_adapter():
            yield loaded.model
    else:
        yield loaded.model


def ending_of(loaded: Loaded) -> Ending:
    """End-of-turn tokens of the model's generation config, its config and its tokeniser."""
    ends: set[int] = set()
    for source in (getattr(loaded.model, "generation_config", None), loaded.model.config, loaded.tokenizer):
        value = getattr(source, "eos_token_id", None)
        ends |= set(value) if isinstance(value, list) else {value} if value is not None else set()
    tokenizer = loaded.tokenizer

    def decode(tokens: Any) -> str:
        text: str = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    pad = tokenizer.pad_token_id
    return Ending(frozenset(ends), pad if pad is not None else min(ends, default=0), decode)


def _give(answer: Future[Row], row: Row) -> None:
    with contextlib.suppress(InvalidStateError):  # cancelled meanwhile
        answer.set_result(row)


def _fail(answer: Future[Row], error: BaseException) -> None:
    with contextlib.suppress(InvalidStateError):
        answer.set_exception(error)
