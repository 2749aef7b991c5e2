"""The ways in which models write an action, a strategy or a judgement, through the product: what was done stands literally
in the answer, and where nothing can be read nothing is done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.prompts import general
from environments.prompts import load_prompt
from tests.conformance.product import Ran, cases, run
from tests.servers.openai_server import OpenAIServer, completion
from tests.servers.roles import answer_to, evaluation
from tests.servers.wire import Response
from tests.shared_data import ROOT, missing

HANDED = ROOT.parent.joinpath("shared", "cases", "model-writings.jsonl")
OWN = Path(__file__).with_name("writings.jsonl")
MORE = Path(__file__).with_name("readings.jsonl")
SOURCES = {"own": OWN, "more": MORE, "handed": HANDED}
SPLITS = {"webshop": "builtin-test", "alfworld": "builtin-test-mini", "sotopia": "builtin-test"}
ROLES = ("actor", "strategist", "judge")
GROUPS = [
    *((source, place, role) for source in ("own", "more") for place in SPLITS for role in ROLES),
    *(("handed", place, "actor") for place in SPLITS),
    ("handed", "sotopia", "strategist"),
]


AGAIN = [
    prompt.text.partition("$")[0].partition("\n")[0]
    for prompt in (general("reask_action"), general("reask_strategy"), load_prompt("harness.judging", "repair"))
]
"""How the texts begin by which models are asked again."""


class Writer:
    """The model under test: the next writing for every episode that begins, the same one again where it is asked again."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.asked: list[int] = []
        """Per writing, how often it was given."""
        self._last: dict[str, Any] = {}

    def __call__(self, body: dict[str, Any]) -> str | Response:
        if body["model"] != "odd":
            return answer_to(body)
        if self._begins(body):
            self.asked.append(0)
        self.asked[-1] += 1
        self._last = body
        number = len(self.asked) - 1
        return Response(completion(body, self.texts[number] if number < len(self.texts) else "one too many"))

    def _begins(self, body: dict[str, Any]) -> bool:
        chat = body["messages"]
        again = any(words in chat[-1]["content"] for words in AGAIN)
        return not again and body != self._last and all(message["role"] != "assistant" for message in chat)


def written(case: dict[str, Any], number: int) -> str:
    """The text of a writing, with its number and a judge's evaluation filled in."""
    whole = json.dumps(evaluation())
    text = case["text"].replace("{id}", str(number)).replace("{evaluation}", whole)
    text = text.replace("{'evaluation'}", repr(evaluation())).replace("{evaluation,}", whole[:-1] + ",}")
    return text.replace("{evaluation<|im_end|>", whole + "<|im_end|>")


def wanted(case: dict[str, Any], number: int) -> str | None:
    expect = case["expect"]
    return expect if expect is None else expect.replace("{id}", str(number))


def answers(place: str, role: str, found: list[dict[str, Any]], folder: Path, **changes: Any) -> tuple[Ran, Writer]:
    """One run that plays one episode per writing, one after the other, each one turn long."""
    writer = Writer([written(case, number) for number, case in enumerate(found, 1)])
    with OpenAIServer(writer) as server:
        shared = {"provider": "openai", "base_url": server.url, "retries": 0, "reasoning_tokens": 0}
        raw: dict[str, Any] = {
            "name": "writings",
            "environments": [
                {
                    "name": place,
                    "split": SPLITS[place],
                    "tasks": 1,
                    "options": {_steps(place): 1} | changes.get("options", {}),
                }
            ],
            "models": {
                "odd": {**shared, "model": "odd"} | changes.get("model", {}),
                "good": {**shared, "model": "good"},
            },
            "actors": ["odd" if role == "actor" else "good"],
            "strategists": [{"kind": "epo", "model": "odd"}]
            if role == "strategist"
            else [changes.get("kind", "vanilla")],
            "repeats": len(found),
            "limits": {"episodes_at_once": 1},
        }
        if role == "actor":
            del raw["models"]["good"]
        if role == "judge":
            raw["judge"] = "odd"
        ran = run(raw, folder, "--no-check")
    return ran, writer


def _steps(place: str) -> str:
    return "max_turns" if place == "sotopia" else "max_steps"


def became(ran: Ran, role: str) -> list[str | None]:
    """Per episode: what was done, advised or scored; None where nothing was."""
    if role == "judge":
        return [_score(judgement.scores) for judgement in ran.judgements]
    return [_turn(episode.turns[0], role) if episode.turns else None for episode in ran.episodes]


def no_answer(ran: Ran, role: str) -> list[bool]:
    """Per episode: whether it ended because the reply held no answer."""
    records = ran.judgements if role == "judge" else ran.episodes
    return [record.error is not None and record.error.reason == "empty-answer" for record in records]


def _score(scores: list[dict[str, float]] | None) -> str | None:
    return f"{scores[0]['goal']:g}" if scores else None


def _turn(turn: Any, role: str) -> str | None:
    if role == "strategist":
        return turn.strategy
    return None if turn.action_kind == "unreadable" else turn.action


def wrong(found: list[dict[str, Any]], ran: Ran, writer: Writer, role: str) -> list[str]:
    """The writings that were read otherwise than they are meant. What holds no answer at all counts as an endpoint's fault,
    which is not asked again here (`retries: 0`)."""
    faults = []
    got, empty = became(ran, role), no_answer(ran, role)
    assert len(got) == len(found) == len(writer.asked), (len(got), len(found), len(writer.asked), ran.told)
    for number, (case, did, asked, none) in enumerate(zip(found, got, writer.asked, empty, strict=True), 1):
        if did != wanted(case, number):
            faults.append(f"{written(case, number)!r}: {did!r}, not {wanted(case, number)!r}")
        elif did is None and asked < 2 and not none:
            faults.append(f"{written(case, number)!r}: was not asked for again")
    return faults


def of(source: str, place: str, role: str) -> list[dict[str, Any]]:
    """The writings of one role in one environment."""
    return [case for case in cases(SOURCES[source]) if (case["environment"], case["role"]) == (place, role)]


FOUND = [group for group in GROUPS if group[0] == "handed" or of(*group)]


@pytest.mark.parametrize(("source", "place", "role"), FOUND, ids=["-".join(group) for group in FOUND])
def test_every_way_of_writing_is_read_as_it_is_meant(source: str, place: str, role: str, tmp_path: Path) -> None:
    if not SOURCES[source].exists():
        missing(f"no {SOURCES[source]}")
    found = of(source, place, role)
    ran, writer = answers(place, role, found, tmp_path)
    faults = wrong(found, ran, writer, role)
    print(f"\n{source} {place} {role}: {len(found) - len(faults)} of {len(found)} writings right")
    assert not faults, f"{len(faults)} of {len(found)}:\n" + "\n".join(faults)


def test_there_are_enough_writings_of_our_own() -> None:
    assert len(cases(OWN)) >= 60


FIVE = [
    "Action: {}",
    "**Action:** {}",
    "<think>\nAction: click[Buy Now]? No.\n</think>\n\nAction: {}",
    "Action: `{}`",
    "```\n{}\n```",
]


def test_one_policy_written_in_five_ways_gets_one_score(tmp_path: Path) -> None:
    """A shopper who searches, opens the first product and buys; only how it is written differs."""
    scores = {}
    for number, form in enumerate(FIVE):
        with OpenAIServer(_written(form)) as server:
            raw = {
                "name": "five",
                "environments": [{"name": "webshop", "split": "builtin-test", "tasks": 5, "options": {"max_steps": 6}}],
                "models": {"m": {"provider": "openai", "model": "m", "base_url": server.url}},
                "actors": ["m"],
                "strategists": ["vanilla", "react"],
            }
            ran = run(raw, tmp_path / str(number))
        assert ran.exit == 0, ran.told
        scores[form] = [episode.outcome.score for episode in ran.episodes if episode.outcome]
    first = scores[FIVE[0]]
    assert len(first) == 10 and sum(first) > 0
    assert all(score == first for score in scores.values()), scores


def _written(form: str) -> Callable[[dict[str, Any]], str]:
    return lambda body: form.format(_shopping(body))


def _shopping(body: dict[str, Any]) -> str:
    """By the page that was seen last: search for what is asked for, open the first product, buy it."""
    page = body["messages"][-1]["content"].rpartition("Now it is your turn.")[2]
    parts = [part.strip() for part in page.split("[SEP]")]
    if any(part.startswith("Buy Now") for part in parts):
        return "click[Buy Now]"
    product = next((part for part in parts if len(part) == 10 and part.isalnum() and part.isupper()), None)
    wish = re.sub(r"[^a-z ]", "", page.partition("Instruction: [SEP]")[2].partition(",")[0])
    return f"click[{product}]" if product else f"search[{' '.join(wish.split()[-4:])}]"
