"""A strategy is learnt from behind the very prompt that was played, template arguments and date included, or it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.models.base import CallIdentity, ChatReply, ChatRequest, Message
from agents.models.cache import reply_from, reply_json
from harness.base.errors import BadInput
from harness.play.calls import CallLedger, prompt_tokens_of
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, scan
from harness.training.data.contexts import ChatTokens, SentPrompt
from harness.training.data.dataset import read_dataset, read_manifest
from harness.training.data.prepare import PrepareOptions, prepare
from harness.training.data.sequences import Layouter, PlayedStrategy
from tests.extras import required

required("torch")

from tests.harness.training import played, tiny  # noqa: E402
from tests.harness.training.test_prepare import edited  # noqa: E402

THINKING = played.CHATML.replace(
    "assistant\n{% endif %}",
    "assistant\n{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}",
)
"""Qwen3's switch."""
DATED = "<|im_start|>system\nToday is {{ strftime_now('%d %b %Y') }}.<|im_end|>\n" + played.CHATML
OPENING = played.CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
WITHOUT_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + played.CHATML
)


def tokenizer(folder: Path, template: str) -> Path:
    made = tiny.tokenizer("chatml")
    made.chat_template = template
    made.save_pretrained(folder)
    return folder


def contexts(data: Path) -> list[list[int]]:
    return [s.tokens[: span.start] for row in read_dataset(data) for s in row.sequences for span in s.spans]


def of_strategists(change: Callable[[Any], None]) -> Callable[[EpisodeRecord], None]:
    def edit(episode: EpisodeRecord) -> None:
        for call in episode.calls:
            if call.role == "strategist":
                change(call)

    return edit


@pytest.fixture(scope="module")
def thoughtless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose strategist was asked not to think, by an argument of its chat template."""
    served = {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}
    return played.play(tmp_path_factory.mktemp("run"), played.engine(template=THINKING), served=served)[0]


def test_the_arguments_of_a_template_are_recorded_and_used_again(thoughtless: Path, tmp_path: Path) -> None:
    calls = [call for _, line in scan(thoughtless / EPISODES) for call in json.loads(line)["calls"]]
    asked = [call for call in calls if call["role"] == "strategist"]
    assert all(call["template"] == {"enable_thinking": False} for call in asked)
    assert all("template" not in call for call in calls if call["role"] != "strategist"), (
        "a function renders no template"
    )
    prepare([thoughtless], PrepareOptions(), tokenizer(tmp_path / "t", THINKING), tmp_path / "data")
    assert sorted(map(len, contexts(tmp_path / "data"))) == sorted(call["prompt_tokens"] for call in asked)
    manifest = read_manifest(tmp_path / "data")
    assert [manifest[f"contexts_{name}"] for name in ("by_ids", "by_length", "unchecked")] == [0, 12, 0]


def test_a_prompt_of_another_length_is_refused_naming_the_episode(thoughtless: Path, tmp_path: Path) -> None:
    plain = tokenizer(tmp_path / "t", played.CHATML)
    with pytest.raises(
        BadInput, match=r"episode \w+, seat 0, turn 0: its prompt had \d+ tokens .* has \d+ as"
    ) as refused:
        prepare([thoughtless], PrepareOptions(), plain, tmp_path / "data")
    assert '{"enable_thinking": false}' in str(refused.value) and not (tmp_path / "data").exists()
    prepare([thoughtless], PrepareOptions(contexts="rendered"), plain, tmp_path / "data")
    assert read_manifest(tmp_path / "data")["contexts_unchecked"] == 12


def test_a_record_from_before_arguments_were_kept_takes_those_of_the_run_s_config(
    thoughtless: Path, tmp_path: Path
) -> None:
    def forget(call: Any) -> None:
        call.template = None
        call.obtained.rendered_on = None

    old = edited(thoughtless, tmp_path / "old", of_strategists(forget))
    thinks = tokenizer(tmp_path / "t", THINKING)
    assert prepare([old], PrepareOptions(), thinks, tmp_path / "data").manifest["contexts_by_length"] == 12
    manifest = json.loads((old / "manifest.json").read_text())
    manifest["config"]["models"]["s"]["extra_body"] = {}
    (old / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match=r"its template was given \{\}"):
        prepare([old], PrepareOptions(), thinks, tmp_path / "data")


def test_a_date_in_the_prompt_is_that_of_the_day_of_play(tmp_path: Path) -> None:
    run, _ = played.play(tmp_path / "run", played.engine(template=DATED, day="2026-02-03", ids=True))

    def on(day: str) -> Callable[[Any], None]:
        return lambda call: setattr(call.obtained, "rendered_on", day)

    dated = tokenizer(tmp_path / "t", DATED)
    then = edited(run, tmp_path / "then", of_strategists(on("2026-02-03")))
    prepare([then], PrepareOptions(), dated, tmp_path / "data")
    assert read_manifest(tmp_path / "data")["contexts_by_ids"] == 12
    assert "03 Feb 2026" in tiny.tokenizer().decode(contexts(tmp_path / "data")[0])
    later = edited(run, tmp_path / "later", of_strategists(on("2026-02-04")))
    with pytest.raises(
        BadInput, match=r"episode \w+, seat 0, turn 0: token \d+ of its prompt was \d+ \('3'\) .* is \d+ \('4'\)"
    ):
        prepare([later], PrepareOptions(), dated, tmp_path / "data")


def test_a_prompt_is_held_against_the_tokens_that_the_engine_gave(tmp_path: Path) -> None:
    run, _ = played.play(tmp_path / "run", played.engine(ids=True))
    given = tokenizer(tmp_path / "t", played.CHATML)
    assert prepare([run], PrepareOptions(), given, tmp_path / "data").manifest["contexts_by_ids"] == 12

    def other(call: Any) -> None:
        if call.turn == 2:
            call.prompt_ids[-1] += 1

    with pytest.raises(BadInput, match=r"episode \w+, seat 0, turn 2: token \d+ of its prompt was"):
        prepare([edited(run, tmp_path / "other", of_strategists(other))], PrepareOptions(), given, tmp_path / "data")


def test_prompt_tokens_are_kept_once_and_put_together_again() -> None:
    prompts, answers = [[1, 2, 3], [1, 2, 3, 9, 4], [1, 7]], [[9], [8], [6]]
    ledger = CallLedger()
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        request = ChatRequest((Message("user", "?"),), identity=CallIdentity(role="strategist", ordinal=number))
        reply = ChatReply("a", "m", "stop", len(prompt), 1, token_ids=tuple(answer), prompt_ids=tuple(prompt))
        ledger.add(request, reply_from(reply_json(reply)), turn=number, model="m", prompt="p@1")
    assert [call.prompt_ids for call in ledger.calls] == [[1, 2, 3], [4], [7]]
    assert [prompt_tokens_of(ledger.calls, number) for number in range(3)] == prompts


def strategy(**changes: Any) -> PlayedStrategy:
    chat = ({"role": "user", "content": "You advise Ann."},)
    return PlayedStrategy(**{
        **{"turn": 0, "chat": chat, "answer": "ask him", "strategy": "ask him", "stopped": True, "token_ids": None},
        **{"completion_tokens": None, "reward": 1.0, "reasoned": True, "sent": SentPrompt(where="episode e, seat 0, turn 0")},
        **changes,
    })  # fmt: skip


def laid_out(template: str, played_one: PlayedStrategy, sampled: bool) -> tuple[str, str]:
    """(what is not learnt from, what is)."""
    made = tiny.tokenizer("chatml")
    made.chat_template = template
    (sequence,) = Layouter(ChatTokens(made), True, sampled, 4096).sequences([played_one], [(1.0, 1.0)])
    (span,) = sequence.spans
    return made.decode(sequence.tokens[: span.start]), made.decode(sequence.tokens[span.start : span.end])


@pytest.mark.parametrize(
    ("mark", "closed"),
    [
        ("<think>", "</think>"),
        ("[THINK]", "[/THINK]"),
        ("<|think|>", "<|/think|>"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
    ],
)
def test_reasoning_is_closed_with_the_mark_that_goes_with_the_one_that_opened_it(mark: str, closed: str) -> None:
    made = tiny.tokenizer("chatml")
    made.chat_template = OPENING.replace("<think>", mark)
    assert ChatTokens(made).closing([{"role": "user", "content": "?"}]) == f"\n{closed}\n\n"


def test_a_strategy_without_its_reasoning_stands_behind_the_reasoning_that_the_prompt_opens() -> None:
    before, learnt = laid_out(OPENING, strategy(), sampled=False)
    assert learnt == "ask him<|im_end|>"
    assert before.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_reasoning_is_learnt_with_the_tokens_that_were_sampled_or_not_at_all() -> None:
    ids = tuple(tiny.tokenizer().encode("he is fond of apples</think>ask him", add_special_tokens=False))
    before, learnt = laid_out(OPENING, strategy(token_ids=ids), sampled=True)
    assert before.endswith("assistant\n<think>\n") and learnt == "he is fond of apples</think>ask him<|im_end|>"
    with pytest.raises(
        BadInput, match="episode e, seat 0, turn 0: its model thought .* `tokens: true` .* `target: chat`"
    ):
        laid_out(OPENING, strategy(), sampled=True)


def test_a_system_message_is_merged_as_in_play_where_a_template_has_no_such_role(tmp_path: Path) -> None:
    turns = [("system", "Be brief."), ("human", "You advise Ann."), ("gpt", "ask him")]
    item = {"conversations": [{"from": who, "value": text, "score": "1"} for who, text in turns]}
    (tmp_path / "rl.json").write_text(json.dumps([item]))
    prepare([tmp_path / "rl.json"], PrepareOptions(), tokenizer(tmp_path / "t", WITHOUT_SYSTEM), tmp_path / "data")
    shown = tiny.tokenizer().decode(read_dataset(tmp_path / "data")[0].sequences[0].tokens)
    assert shown.startswith("<|im_start|>user\nBe brief.\n\nYou advise Ann.<|im_end|>")
    never = tokenizer(tmp_path / "never", "{{ raise_exception('Conversations only') }}")
    with pytest.raises(
        BadInput, match=r"rl\.json, item 0, answer 0: the chat template .* does not take .*Conversations only"
    ):
        prepare([tmp_path / "rl.json"], PrepareOptions(), never, tmp_path / "none")


@pytest.mark.parametrize(("at", "known"), [(0.7, True), (1.0, False), (None, False)])
def test_log_probabilities_are_kept_where_they_are_those_of_the_temperature_of_play(
    thoughtless: Path, tmp_path: Path, at: float | None, known: bool
) -> None:
    def sampled(call: Any) -> None:
        call.temperature, call.token_ids, call.logprobs, call.logprobs_at = 0.7, [9, 8, 7], [-0.1, -0.2, -0.3], at

    run = edited(thoughtless, tmp_path / "sampled", of_strategists(sampled))
    options = PrepareOptions(layout="per-turn")
    made = prepare([run], options, tokenizer(tmp_path / "t", THINKING), tmp_path / "data").manifest
    assert made["with_logprobs"] == (12 if known else 0)
    [span] = read_dataset(tmp_path / "data")[0].sequences[0].spans
    assert span.temperature == 0.7
    # The engine left the end of the turn out: it was not sampled.
    assert span.logprobs == ([-0.1, -0.2, -0.3, None] if known else None)
