"""The planted copy `own-style`: one seat's lines in the words of the judge's own model, which is asked to write them again
and to keep all they say. A judge that likes its own manner gives that seat more."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from agents.models.base import Model
from environments.prompts import load_prompt
from harness.base.errors import EpisodeError
from harness.experiment.specs import JudgingSpec
from harness.judging.judges.asking import Question, ask, form_of, read_answer
from harness.judging.judges.copies import Copy, has_words, reworded, seat_of
from harness.judging.judges.frame import document, frame
from harness.play.calls import CallLedger
from harness.results.records import EpisodeRecord

ROLE = "rewriter"
"""The role under which a judge's model is asked to write lines again."""


@lru_cache(maxsize=64)
def answer_model(count: int) -> type[BaseModel]:
    """The form of an answer: {"lines": [text, …]} with `count` texts."""
    lines: Any = Annotated[list[str], Field(min_length=count, max_length=count)]
    return create_model("Lines", __config__=ConfigDict(extra="forbid"), lines=(lines, ...))


async def own_style(episode: EpisodeRecord, model: Model, spec: JudgingSpec, ledger: CallLedger) -> Copy:
    """The copy. Raises `EpisodeError` where the model gives no lines that can be used."""
    seat = seat_of("own-style", episode)
    turns = [turn for turn in episode.turns if turn.seat == seat and has_words(turn)]
    if not turns:
        raise EpisodeError("judge", "the character says nothing that could be written again", reason="no-copy")
    lines = [turn.action for turn in turns]
    form, prompt = answer_model(len(lines)), load_prompt("harness.judging", "own_style")
    material = document({"character": episode.seats[seat].name, "lines": lines}, ())
    text = prompt.fill(**frame(material), count=len(lines)).strip("\n")
    question = Question(prompt, text, form_of(form), seat, ROLE)
    longest = spec.model_copy(update={"answer_chars": 2 * max(map(len, lines)) + 100})
    said = await ask(model, longest, episode, question, lambda answer: _lines(form, answer), ledger)
    new = {turn.index: line for turn, line in zip(turns, said, strict=True)}
    changed = [reworded(turn, new[turn.index]) if turn.index in new else turn for turn in episode.turns]
    return Copy(f"own-style-{seat}", episode.model_copy(update={"turns": changed}))


def _lines(form: type[BaseModel], answer: str) -> list[str]:
    """The texts of an answer. Raises `ValueError` for one that is empty."""
    lines = [str(line).strip() for line in read_answer(form, answer).model_dump()["lines"]]
    if not all(lines):
        raise ValueError("a line is empty")
    return lines
