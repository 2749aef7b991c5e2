"""Viewer tags inside profile texts: who may read what.

Scenarios and goals carry `<extra_info>`, `<strategy_hint>`, `<clarification_hint>` (shown without the
tags) and `<p viewer="environment">` (for the judge alone). A tag with a `viewer` is shown to that
viewer only; the environment, which the judge reads as, sees everything. Rules as in sotopia 0.1.4's
XML renderer for the texts that are published; nothing said by an agent ever comes through here.
"""

from __future__ import annotations

from harness.base.errors import BadInput
from harness.base.patterns import pattern

ENVIRONMENT = "environment"
"""The viewer that sees all: the judge."""

_TAG = pattern(
    r"""<(?P<close>/)?(?P<name>p|root|extra_info|strategy_hint|clarification_hint)"""
    r"""(?:\s+viewer=(?P<quote>["'])(?P<viewer>[^"'<>]*)(?P=quote))?\s*>"""
)
_ANY_TAG = pattern(r"</?[A-Za-z_][^<>]*>?")
"""Whatever starts like a tag, finished or not."""


def seat_viewer(seat: int) -> str:
    """The viewer name of a seat."""
    return f"agent_{seat}"


def check_tags(text: str, where: str) -> None:
    """Raise `BadInput` for an unknown, crossed or unclosed tag: what it hides could otherwise be shown."""
    open_tags: list[str] = []
    for tag in _ANY_TAG.finditer(text):
        known = _TAG.fullmatch(tag.group())
        if known is None:
            raise BadInput(f"{where}: unknown tag {tag.group()!r}")
        if not known["close"]:
            open_tags.append(known["name"])
        elif not open_tags or open_tags.pop() != known["name"]:
            raise BadInput(f"{where}: {tag.group()!r} closes nothing")
    if open_tags:
        raise BadInput(f"{where}: <{open_tags[-1]}> is never closed")


def render_for(text: str, viewer: str) -> str:
    """The text as `viewer` may read it, without tags. Expects what `check_tags` lets through."""
    shown: list[str] = []
    visible = [True]
    position = 0
    for tag in _TAG.finditer(text):
        if visible[-1]:
            shown.append(text[position : tag.start()])
        position = tag.end()
        if tag["close"]:
            visible.pop()
        else:
            for_all = tag["viewer"] is None or viewer == ENVIRONMENT
            visible.append(visible[-1] and (for_all or tag["viewer"] == viewer))
    if visible[-1]:
        shown.append(text[position:])
    return "".join(shown)
