"""One episode as a conversation: elements made from records, every text of theirs escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from harness.base.counts import counted
from harness.base.money import price_text
from harness.results.records import ProcessRewardRecord
from leaderboard.app.pieces import Column, table
from leaderboard.cells import NOTHING, amount, count, money
from leaderboard.episodes import Call, Conversation, Judgement, Seat, Turn
from leaderboard.page.markup import Content, node
from leaderboard.page.pair import SOURCES, bar_place, outcome_text, reward_element

PARSES = {"reasked": "asked twice", "unreadable": "unreadable answer"}
CALLS = [
    Column("Role", lambda row: row["role"]),
    Column("Model", lambda row: row["model"]),
    Column("Prompt", lambda row: row["prompt"]),
    Column("Tokens in", lambda row: count(row["prompt_tokens"]), number=True),
    Column("Tokens out", lambda row: count(row["completion_tokens"]), number=True),
    Column("of them reasoning", lambda row: count(row["reasoning_tokens"]), number=True),
    Column("Seconds", lambda row: amount(row["latency_s"]), number=True),
    Column("USD", lambda row: price_text(row["usd"], "spent", row["broken_off"]), number=True),
    Column("Attempts", lambda row: count(row["attempts"]), number=True),
    Column("Finished", lambda row: row["finish"], wide=True),
    Column("Read", lambda row: row["read"]),
    Column("Answer", lambda row: row["text"], wide=True),
]


def conversation_elements(shown: Conversation) -> list[Content]:
    """Facts, seats, turns, judgements and what is left."""
    turns = node("ol", class_="turns", aria_label="Turns")
    for turn in shown.turns:
        turns.append(turn_element(turn, len(shown.seats)))
    parts: list[Content] = [_facts(shown), _seats(shown.seats), node("h2", "Conversation"), turns, _end(shown)]
    if shown.judgements or shown.process:
        parts.append(node("h2", "Judges"))
    parts += [_judgement(each) for each in shown.judgements]
    parts += [_unrewarded(each) for each in shown.process if each.error or each.flags]
    if shown.loose_calls:
        parts.extend(_reasoning(shown.loose_calls))
        parts.append(_calls(shown.loose_calls, "calls outside the turns"))
    return [node("div", *parts, class_="conv")]


def _facts(shown: Conversation) -> Element:
    head = shown.head
    facts: dict[str, Any] = {
        "task": head["task_id"] + (f" ({head['task_label']})" if head["task_label"] else ""),
        "arm": head["cell"],
        "episode": f"{shown.record.episode_id} of run {shown.run}; seed {head['seed']}, order {head['order']}, "
        f"repeat {head['repeat']}, attempt {head['attempt']}",
        "outcome": outcome_text(head),
        "cost": f"{counted(head['calls'], 'model call')}, {count(head['prompt_tokens'])} + "
        f"{count(head['completion_tokens'])} tokens, {money(head)} USD, {amount(head['latency_s'])} s in "
        f"models, {amount(head['duration_s'])} s in all",
    }
    found = node("dl")
    for name, value in facts.items():
        found.append(node("dt", name))
        found.append(node("dd", str(value)))
    return found


def _seats(seats: Sequence[Seat]) -> Element:
    frame = node("div", class_="seats")
    for seat in seats:
        models = " · ".join(filter(None, (seat.actor_model, seat.strategist_model)))
        frame.append(
            node(
                "div",
                node("b", seat.name),
                " ",
                node("span", "under test", class_="chip") if seat.tested else None,
                node("span", f"{seat.strategist} + {seat.actor}" + (f" ({models})" if models else ""), class_="under"),
                node(
                    "details", node("summary", "What it was told"), node("div", seat.background.strip(), class_="pre")
                ),
                class_="seat",
            )
        )
    return frame


def turn_element(turn: Turn, seats: int) -> Element:
    """One turn: what was seen, the strategy set apart, its rewards, the act, the model calls."""
    side = "turn right" if turn.seat % 2 else "turn"
    item = node("li", class_=side, id=f"turn-{turn.index}", data_turn=turn.index, data_seat=turn.seat)
    item.append(node("div", f"{turn.index} · ", node("b", turn.name), class_="who"))
    item.extend(part for part in _seen(turn.observation, seats) if isinstance(part, Element))
    if turn.strategy is not None and turn.strategy.strip():
        tag = SOURCES.get(turn.strategy_source, turn.strategy_source)
        item.append(node("div", node("span", tag, class_="tag"), turn.strategy, class_="plan"))
    for reward in turn.rewards:
        item.append(reward_element(reward, styled_bar))
    item.append(node("div", turn.rendered, class_="act"))
    if turn.raw is not None and turn.raw != turn.rendered:
        item.append(node("div", node("span", "Answer that could not be read", class_="tag"), turn.raw, class_="seen"))
    item.extend(_marks(turn))
    item.extend(_reasoning(turn.calls))
    if turn.calls:
        item.append(_calls(turn.calls, "model call" if len(turn.calls) == 1 else "model calls"))
    return item


def _seen(observation: Sequence[str], seats: int) -> Iterator[Content]:
    """Observation of the seat. Opposite another seat it mostly repeats the turns above, and is folded."""
    if not observation:
        return
    text = node("div", "\n".join(observation), class_="seen", tabindex=0, role="region", aria_label="What was seen")
    yield text if seats == 1 else node("details", node("summary", "what was seen"), text)


def _marks(turn: Turn) -> list[Element]:
    found = []
    if turn.parse != "ok":
        found.append(node("span", PARSES.get(turn.parse, turn.parse), class_="chip warn"))
    if turn.no_effect:
        found.append(node("span", "no effect", class_="chip warn"))
    if turn.reward is not None:
        found.append(node("span", f"reward of the environment {turn.reward:+.2f}", class_="chip"))
    return found


def _reasoning(calls: Sequence[Call]) -> Iterator[Element]:
    """The reasoning before each answer, folded."""
    for call in calls:
        if call.reasoning:
            summary = f"reasoning of the {call.role}, {len(call.reasoning):,} characters"
            text = node("div", call.reasoning, class_="seen", tabindex=0, role="region", aria_label=summary)
            yield node("details", node("summary", summary), text, class_="reasoning")


def styled_bar(reward: float) -> Element:
    """A reward's bar of styled elements: Streamlit takes no SVG in a page's own HTML."""
    left, width, kind = bar_place(reward)
    bar = node("div", class_="bar", role="img", aria_label=f"process reward {reward:+.2f}")
    bar.append(node("i", class_=kind, style=f"left:{left:.1f}%;width:{width:.1f}%"))
    bar.append(node("i", class_="mid"))
    return bar


def _calls(calls: Sequence[Call], name: str) -> Element:
    asked = sum(call.prompt_tokens or 0 for call in calls)
    answered = sum(call.completion_tokens or 0 for call in calls)
    seconds = sum(call.latency_s or 0.0 for call in calls)
    summary = f"{len(calls)} {name} · {asked:,} + {answered:,} tokens · {seconds:.2f} s"
    rows = [_call_row(call) for call in calls]
    return node("details", node("summary", summary), table(rows, CALLS, "Model calls"), class_="calls")


def _call_row(call: Call) -> dict[str, Any]:
    served = f" (as {call.served_model})" if call.served_model and call.served_model != call.model else ""
    finish = call.error or call.finish_reason or NOTHING
    return {
        "role": call.role,
        "model": call.model + served,
        "prompt": call.prompt,
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "reasoning_tokens": call.reasoning_tokens,
        "read": call.read or NOTHING,
        "latency_s": call.latency_s,
        "usd": call.usd,
        "broken_off": call.broken_off,
        "attempts": call.attempts,
        "finish": finish + (", from the cache" if call.cache_hit else ""),
        "text": call.text or NOTHING,
    }


def _end(shown: Conversation) -> Element:
    head = shown.head
    text = f"Failed: {head['error']}" if head["error"] else f"Ended: {head['end_reason']}"
    closing = [
        node(
            "details",
            node("summary", f"what {seat.name} saw last"),
            node("div", "\n".join(seat.closing), class_="seen"),
        )
        for seat in shown.seats
        if seat.closing
    ]
    return node("div", node("p", node("b", text)), *closing, class_="end")


def _judgement(judgement: Judgement) -> Element:
    parts: list[Content] = [node("h3", f"{judgement.judge}: {judgement.status}")]
    if judgement.error:
        parts.append(node("div", judgement.error, class_="notice warning"))
    if judgement.flags:
        flags = f"Texts that try to instruct the judge: {'; '.join(judgement.flags)}"
        parts.append(node("div", flags, class_="notice warning"))
    for seat in judgement.seats:
        rows = [
            {"dimension": name.replace("_", " "), "score": value, "reason": seat.reasons.get(name, "")}
            for name, value in seat.scores.items()
        ]
        title = f"{seat.name}{', under test' if seat.tested else ''}"
        parts.append(table(rows, SCORES, title, "scores", cards=False))
    parts.extend(_reasoning(judgement.calls))
    if judgement.calls:
        parts.append(_calls(judgement.calls, "calls of the judge"))
    return node("section", *parts)


SCORES = [
    Column("Dimension", lambda row: row["dimension"]),
    Column("Score", lambda row: f"{row['score']:.2f}".removesuffix(".00"), number=True),
    Column("Reason", lambda row: row["reason"], wide=True),
]


def _unrewarded(record: ProcessRewardRecord) -> Element:
    texts = [f"{record.error.kind}: {record.error.message}"] if record.error else []
    texts += [f"texts that try to instruct the judge: {'; '.join(record.flags)}"] if record.flags else []
    return node("div", f"Process reward {record.label}: {'; '.join(texts)}", class_="notice warning")
