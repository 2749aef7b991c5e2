"""The ledger of the interface: how many replies of each role could be used as they came, and how many turns changed nothing.

Pure counting over records; what older records cannot tell is None, never 0. `COUNTS` of a role: `replies`; `asked_again`
(calls beyond the first for one turn); `unreadable`; `empty_or_cut` (no answer, or one cut at the token limit); `refused`
(by the model or a filter); `mended` (read after wrappers were taken off or JSON was mended); `answer_in_reasoning` (a
server's parser had put the answer there). A reply can count in several of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.reading.parsing import UNREADABLE

if TYPE_CHECKING:
    from harness.results.records import CallRecord, TurnRecord

Row = Mapping[str, Any]
KINDS = ("asked_again", "unreadable", "empty_or_cut", "refused", "mended", "answer_in_reasoning")
COUNTS = ("replies", *KINDS)
MAYBE_UNKNOWN = ("unreadable", "mended")
"""Counts that older records cannot tell."""
PLAYERS = ("actor", "strategist")
"""Roles whose calls stand in episodes."""
ROLES = (*PLAYERS, "judge", "process")
"""All roles: those of episodes, and all calls of judgements and of process rewards."""
TURNS, NO_EFFECT = "turns", "turns_without_effect"
COLUMNS = (*(f"{role}_{count}" for role in ROLES for count in COUNTS), TURNS, NO_EFFECT)
"""The names under which an arm's counts stand in tables and files."""
NAMES = {count: count.replace("_", " ") for count in (*COUNTS, TURNS, NO_EFFECT)}

CUT = ("length",)
REFUSED = ("filter", "refusal", "content_filter")
"""Words for why a reply ended, those of older records among them."""
EMPTY_REASONS = ("output-limit", "empty-answer")
REFUSED_REASONS = ("filtered", "refused")
"""Reasons (`harness.base.errors.EpisodeError`) of calls that the endpoint answered, but with no usable text."""

NOTABLE = 0.05
"""A share of replies or turns above this is shown beside the ranking."""
LEAST = 20
"""Replies or turns below which nothing is said about a share."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The counts of one arm, or of one record."""

    counts: Mapping[str, int | None]
    """By the names in `COLUMNS`; None: unknown."""

    def count(self, role: str, kind: str) -> int | None:
        """One of `COUNTS` of a role."""
        return self.counts.get(f"{role}_{kind}")

    def share(self, role: str, kind: str) -> float | None:
        """The share of a role's replies; None when unknown, or without a reply."""
        return _share(self.count(role, kind), self.count(role, "replies"))

    @property
    def no_effect(self) -> float | None:
        """The share of turns without effect; None when unknown, or without a turn."""
        return _share(self.counts.get(NO_EFFECT), self.counts.get(TURNS))

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that replied at all."""
        return tuple(role for role in ROLES if self.count(role, "replies"))


def together(ledgers: Sequence[Ledger]) -> Ledger:
    """The counts of several arms as one; a count that one of them does not know is unknown."""
    sums: dict[str, int | None] = {}
    for name in dict.fromkeys(name for each in ledgers for name in each.counts):
        counts = [each.counts.get(name) for each in ledgers]
        sums[name] = None if None in counts else sum(count for count in counts if count is not None)
    return Ledger(sums)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a printed ledger: the counts of an arm's role as texts, with their share of the replies."""

    role: str
    """`script` where the arm's actor is no model."""
    counts: Mapping[str, str]
    """By the names in `COUNTS`."""
    turns: str
    no_effect: str
    """Empty in the lines of roles that take no turns."""


SCRIPT = "script"
"""Role of a scripted actor's line."""
LINE_HEADINGS = {**{count: NAMES[count] for count in COUNTS}, TURNS: NAMES[TURNS], NO_EFFECT: "without effect"}
UNKNOWN = "?"
NOTHING = "–"


def lines_of(ledger: Ledger) -> list[Line]:
    """A line per role that replied, and one for the turns of a scripted actor."""
    roles = [role for role in ROLES if role in ledger.roles or (role == "actor" and ledger.counts.get(TURNS))]
    return [_line(ledger, role) for role in roles]


def _line(ledger: Ledger, role: str) -> Line:
    counts = {kind: _counted(ledger.count(role, kind), ledger.share(role, kind)) for kind in KINDS}
    replies = ledger.count(role, "replies")
    turns = ("", "")
    if role == "actor":
        turns = (_counted(ledger.counts.get(TURNS)), _counted(ledger.counts.get(NO_EFFECT), ledger.no_effect))
    name = role if replies or role != "actor" else SCRIPT
    return Line(name, {"replies": _counted(replies), **counts}, *turns)


def _counted(count: int | None, share: float | None = None) -> str:
    """`12 (6 %)`; `0`; `?` where it is not known."""
    if count is None:
        return UNKNOWN
    return f"{count:,}" + (f" ({percent(share)})" if count and share is not None else "")


def percent(share: float) -> str:
    """`6 %`; below one percent with a decimal."""
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else f"{100 * share:.1f} %"


def notable(ledgers: Iterable[Ledger]) -> list[tuple[str, str]]:
    """Roles and kinds of which a share of some arm's replies is above `NOTABLE`, and ("", `NO_EFFECT`) where a share of its
    turns is; in the order of `COLUMNS`."""
    there = list(ledgers)
    found = [
        (role, kind)
        for role in ROLES
        for kind in KINDS
        if any((each.share(role, kind) or 0.0) > NOTABLE for each in there)
    ]
    return found + [("", NO_EFFECT)] * any((each.no_effect or 0.0) > NOTABLE for each in there)


def share_of(ledger: Ledger, role: str, kind: str) -> float | None:
    """The share of one of the pairs that `notable` gives."""
    return ledger.share(role, kind) if role else ledger.no_effect


def share_text(ledger: Ledger, role: str, kind: str) -> str:
    """The share of `share_of` as a text: `?` where it is not known, a dash where there was no reply (or turn)."""
    share = share_of(ledger, role, kind)
    if share is not None:
        return percent(share)
    return UNKNOWN if ledger.counts.get(f"{role}_replies" if role else TURNS) else NOTHING


def heading_of(role: str, kind: str) -> str:
    """The heading of a column with such shares."""
    return f"{role} {NAMES[kind]}" if role else NAMES[kind]


def _share(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else part / whole


def ledger_of(values: Mapping[Any, Any]) -> Ledger:
    """The ledger whose counts stand in a table's row under the names of `COLUMNS`; NaN is unknown."""
    found = {name: values.get(name) for name in COLUMNS}
    return Ledger({name: None if each is None or each != each else int(each) for name, each in found.items()})


def episode_counts(record: Row) -> dict[str, int | None]:
    """The counts of an episode (a record as plain JSON): `COUNTS` of the actors and of the strategists of all its seats,
    and turns without effect."""
    calls: dict[str, list[Row]] = {role: [] for role in PLAYERS}
    for call in record["calls"]:
        calls.setdefault(call["role"], []).append(call)
    found: dict[str, int | None] = {}
    for role in PLAYERS:
        counts = call_counts(calls[role])
        if role == "actor" and counts["unreadable"] is None:
            counts["unreadable"] = _unreadable_by_turns(calls[role], record)
        found |= {f"{role}_{name}": value for name, value in counts.items()}
    return {**found, NO_EFFECT: _turns_without_effect(record)}


def call_counts(calls: Sequence[Row]) -> dict[str, int | None]:
    """`COUNTS` of calls (plain JSON) in the order in which they were made."""
    unreadable, mended = _readings(calls)
    return {
        "replies": sum(map(is_reply, calls)),
        "asked_again": sum(_asked_again(calls)),
        "unreadable": unreadable,
        "empty_or_cut": sum(map(is_empty_or_cut, calls)),
        "refused": sum(map(is_refused, calls)),
        "mended": mended,
        "answer_in_reasoning": sum("answer-in-reasoning" in (call.get("notes") or ()) for call in calls),
    }


def is_reply(call: Row) -> bool:
    """True if the model answered, if only with nothing, a refusal, or a text that the endpoint itself turned down."""
    return call["text"] is not None or _failed_by_answer(call)


def _failed_by_answer(call: Row) -> bool:
    reason = call.get("error_reason")
    return reason in (*EMPTY_REASONS, *REFUSED_REASONS) or call.get("error_class") == "answer"


def is_empty_or_cut(call: Row) -> bool:
    """True if there was no answer, or one cut at the token limit. A strategy is one line: one that was cut in later lines is
    whole."""
    if call["text"] is None:
        return call.get("error_reason") in EMPTY_REASONS
    if call["finish_reason"] in CUT:
        return not (call["role"] == "strategist" and _cut_behind_the_strategy(call["text"]))
    return not call["text"].strip()


def _cut_behind_the_strategy(text: str) -> bool:
    """True if the line that was read as the strategy is not the text's last."""
    from harness.reading.strategy_text import read_strategy  # its patterns take a while to be made

    strategy, lines = read_strategy(text), text.strip().splitlines()
    return strategy is not None and len(lines) > 1 and strategy not in lines[-1]


def is_refused(call: Row) -> bool:
    """True if the model or a filter refused."""
    return call["finish_reason"] in REFUSED or call.get("error_reason") in REFUSED_REASONS


def is_unreadable(call: Row) -> bool:
    """True if the record says that the answer could not be read."""
    return call.get("read") == "unreadable" or _turned_down(call)


def _turned_down(call: Row) -> bool:
    """True if the endpoint itself said that the model's answer was of the wrong form."""
    reason = call.get("error_reason")
    return call.get("error_class") == "answer" and reason not in (*EMPTY_REASONS, *REFUSED_REASONS)


def _readings(calls: Sequence[Row]) -> tuple[int | None, int | None]:
    """Numbers of answers that were unreadable and mended; None where nobody wrote down how they were read."""
    told, answered = set(), set()
    for call in calls:
        if call["text"] is not None:
            answered.add(call["role"])
            if call.get("read") is not None:
                told.add(call["role"])
    if answered - told:
        return None, None
    return sum(map(is_unreadable, calls)), sum(call.get("read") == "mended" for call in calls)


def _asked_again(calls: Iterable[Row]) -> Iterable[bool]:
    """Per call whether it asks once more for what the call before it of the same seat and role asked for. Calls without a
    turn (judges') do so where they carry on its chat. Several plays (process rewards) each count from 0."""
    last: dict[tuple[int, str], Row] = {}
    for call in calls:
        before = last.get((call["seat"], call["role"]))
        last[call["seat"], call["role"]] = call
        if before is None or call["ordinal"] != before["ordinal"] + 1 or call["turn"] != before["turn"]:
            yield False
        else:
            yield call["turn"] is not None or call["prefix"] > 0


def _unreadable_by_turns(calls: Sequence[Row], record: Row) -> int:
    """Number of actors' answers that an older record says were unreadable: all but the last of a turn, and that one, too, where
    the turn says so or the episode ended there."""
    asked: dict[int | None, list[Row]] = defaultdict(list)
    for call in calls:
        asked[call["turn"]].append(call)
    read = {turn["index"]: turn["parse"] != "unreadable" for turn in record["turns"]}
    by_model = (record.get("error") or {}).get("kind") == "model"
    found = 0
    for turn, group in asked.items():
        answered = sum(call["text"] is not None for call in group)
        whole = answered == len(group)
        last_was_read = read.get(turn, not by_model) if turn is not None else True
        found += answered - 1 if whole and last_was_read else answered
    return found


def without_effect(environment: str, turn: Row) -> bool | None:
    """True if a turn (plain JSON) changed nothing; None where a plug-in's environment does not say."""
    info = turn["info"]
    if "no_effect" in info:
        return bool(info["no_effect"])
    if turn["action_kind"] == UNREADABLE:
        return True
    if environment == "webshop":
        return bool(info.get("no_op") or info.get("malformed"))
    if environment == "alfworld":
        return bool(info.get("malformed"))
    return turn["action_kind"] == "none" if environment == "sotopia" else None


def _turns_without_effect(record: Row) -> int | None:
    known = [without_effect(record["environment"], turn) for turn in record["turns"]]
    return None if known and set(known) == {None} else sum(each is True for each in known)


CALL_FIELDS = (
    "seat",
    "role",
    "turn",
    "ordinal",
    "prefix",
    "text",
    "read",
    "error_class",
    "error_reason",
    "finish_reason",
    "notes",
)
TURN_FIELDS = ("index", "parse", "action_kind", "info")


def call_row(call: CallRecord) -> Row:
    """The fields of a call that are counted, as plain JSON."""
    return {name: getattr(call, name) for name in CALL_FIELDS}


def turn_row(turn: TurnRecord) -> Row:
    """The fields of a turn that are counted, as plain JSON."""
    return {name: getattr(turn, name) for name in TURN_FIELDS}
