"""The frame of a page: its head with a policy (a `Content-Security-Policy` of hashes) that forbids a browser everything but our
own style and one script, and pictures from the page's own folder."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files
from xml.etree.ElementTree import Element

from leaderboard.page.markup import Content, document, node


def whole_page(title: str, head: Iterable[Content], body: Iterable[Content], script: str) -> str:
    """A whole page as text. `script`: the file of its script in this package."""
    style, program = _asset("page.css"), _asset(script)
    policy = (
        f"default-src 'none'; img-src 'self'; style-src '{_hash(style)}'; script-src '{_hash(program)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    top = node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", http_equiv="Content-Security-Policy", content=policy),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("meta", name="referrer", content="no-referrer"),
        node("title", title),
        *head,
        _verbatim("style", style),
    )
    whole = node("body", *body, _verbatim("script", program))
    return document(node("html", top, whole, lang="en"))


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _verbatim(tag: str, text: str) -> Element:
    """Our own style or script, whose text HTML does not escape."""
    element = Element(tag)
    element.text = text
    return element
