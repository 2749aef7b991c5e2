"""Two episodes of one task beside each other, turn by turn; every text of theirs is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from harness.base.counts import counted
from harness.results.records import TurnRecord
from leaderboard.duel import Divergence, Step
from leaderboard.episodes import Conversation, Reward
from leaderboard.page.markup import Content, node

SOURCES = {
    "strategist": "Strategy",
    "actor": "Thought before the act",
    "donor": "Strategy for another task (control)",
    "empty": "Empty strategy (control)",
    "script": "Strategy of a rule",
}
"""The heading of a strategy, by where it came from."""


Bar = Callable[[float], Element]
"""Draws a reward from -1 to 1 around its middle: blue to the right, orange to the left."""


def drawn_bar(reward: float) -> Element:
    """The bar as an SVG, for pages whose policy allows no style of an element's own."""
    left, width, kind = bar_place(reward)
    bar = node("svg", class_="bar", role="img", width="100%", height=12, aria_label=f"process reward {reward:+.2f}")
    bar.append(node("rect", x=f"{left:.1f}%", width=f"{width:.1f}%", y=1, height=10, class_=kind))
    bar.append(node("line", x1="50%", x2="50%", y1=0, y2=12, class_="mid"))
    return bar


def bar_place(reward: float) -> tuple[float, float, str]:
    """Left end and width of a bar in per cent, and its class."""
    share = max(-1.0, min(1.0, reward))
    return (50.0 if share >= 0 else 50 + 50 * share), 50 * abs(share), "plus" if share >= 0 else "minus"


def side_by_side(
    a: Conversation,
    b: Conversation,
    parts: Divergence,
    names: tuple[str, str],
    bar: Bar = drawn_bar,
    links: tuple[str | None, str | None] = (None, None),
) -> list[Content]:
    """Two episodes turn by turn, with a mark where their actions part for the first time. Turns after the end of one of them are
    folded but for the first. `links`: addresses of the whole transcripts."""
    grid = node("div", class_="duel conv")
    for shown, name, letter, whole in ((a, names[0], "A", links[0]), (b, names[1], "B", links[1])):
        ending = node("span", outcome_text(shown.head), class_="under")
        if whole is not None:
            ending.extend([node("span", ". "), node("a", "Whole transcript", href=whole)])
        where = node("span", f"Episode {shown.record.episode_id} of {shown.run}", class_="id")
        grid.append(node("div", node("b", f"{letter}: {name}"), ending, where))
    over = next(
        (number for number, step in enumerate(parts.steps) if step.a is None or step.b is None), len(parts.steps)
    )
    folded = node("div", class_="duel conv")
    for number, step in enumerate(parts.steps):
        if number == parts.first:
            grid.append(
                node("div", "First divergence: from here on the actions differ", class_="parting", id="divergence")
            )
        same = parts.first is None or number < parts.first
        rest = grid if number <= over else folded
        rest.extend(_sides(step, a, b, same, bar))
    if len(folded):
        count = len(parts.steps) - over - 1
        said = f"{counted(count, 'more turn')} of {'A' if len(a.record.turns) > len(b.record.turns) else 'B'}"
        grid.append(node("details", node("summary", said), folded, class_="rest"))
    if parts.first is None:
        grid.append(node("div", "No action differs", class_="parting", id="divergence"))
    return [grid]


def _sides(step: Step, a: Conversation, b: Conversation, same: bool, bar: Bar) -> list[Element]:
    return [_side(turn, step, shown, same, bar) for turn, shown in ((step.a, a), (step.b, b))]


def _side(turn: TurnRecord | None, step: Step, shown: Conversation, same: bool, bar: Bar) -> Element:
    if turn is None:
        return node("div", "ended before", class_="gone")
    seat = shown.record.seats[turn.seat]
    differs = [part for part in ("observation", "strategy", "action") if part in step.differs]
    frame = node("div", class_="same" if same and not differs else None)
    who = node("div", f"{turn.index} · ", node("b", seat.name), class_="who")
    if differs:
        who.append(node("span", f"differs: {', '.join(differs)}", class_="chip"))
    frame.append(who)
    frame.extend(turn_parts(turn, shown, bar))
    return frame


def turn_parts(turn: TurnRecord, shown: Conversation, bar: Bar = drawn_bar) -> Iterator[Element]:
    """Elements of one turn: what was seen (folded; opposite another seat it is left out, as it repeats the turns above), the
    strategy, its credit, the act."""
    if len(shown.record.seats) == 1 and turn.observation:
        yield node("details", node("summary", "what was seen"), node("div", "\n".join(turn.observation), class_="seen"))
    if turn.strategy and turn.strategy.strip():
        tag = SOURCES.get(turn.strategy_source, turn.strategy_source)
        yield node("div", node("span", tag, class_="tag"), turn.strategy, class_="plan")
    rewards = next((each.rewards for each in shown.turns if each.index == turn.index), ())
    yield from (reward_element(reward, bar) for reward in rewards)
    yield node("div", turn.rendered, class_="act")
    if any(each.no_effect for each in shown.turns if each.index == turn.index):
        yield node("span", "no effect", class_="chip warn")


def reward_element(reward: Reward, bar: Bar = drawn_bar) -> Element:
    """A strategy's reward: the bar, the number, and by whom it was given."""
    method = reward.label.split("/")[0]
    said = node(
        "span", f"by {method}" + (f": {reward.reason}" if reward.reason else ""), class_="why", title=reward.label
    )
    return node("div", bar(reward.reward), node("span", f"{reward.reward:+.2f}", class_="val"), said, class_="reward")


def outcome_text(head: dict[str, Any]) -> str:
    """The end of an episode, and its score where the world tells one."""
    if head["error"]:
        return f"failed, {head['error']}"
    parts = [f"{head['status']}: {head['end_reason']}"]
    if head["score"] is not None:
        parts.append(f"score {head['score']:g}, {'success' if head['success'] else 'no success'}")
    return "; ".join(parts)
