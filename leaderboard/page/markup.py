"""HTML as a tree: text and attributes are escaped by the serialiser, so that no word of an agent can become markup."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

Content = Element | str | int | float | None


def node(tag: str, *content: Content, **attributes: object) -> Element:
    """An element. Underscores in attribute names become hyphens, a trailing one (`class_`) is dropped; an attribute
    that is None is left out, one that is True stands without a value; content that is None is left out."""
    element = Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            key = name.rstrip("_").replace("_", "-")
            element.set(key, "" if value is True else plain(str(value)))
    for part in content:
        if part is not None:
            add(element, part)
    return element


def add(parent: Element, part: Element | str | int | float) -> None:
    """Append an element or text."""
    if isinstance(part, Element):
        parent.append(part)
        return
    text = plain(str(part))
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def coded(text: str) -> list[Content]:
    """A text of ours whose `commands` between backticks are code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return [text]
    return [node("code", part) if number % 2 else part for number, part in enumerate(parts)]


def plain(text: str) -> str:
    """Text without characters that cannot be seen (control, direction and other format characters, half surrogates):
    they are shown as their codes, as the terminal's commands do."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else _code(char) for char in text)


def _code(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"


def document(root: Element) -> str:
    """The whole page as text."""
    return "<!doctype html>\n" + ElementTree.tostring(root, encoding="unicode", method="html") + "\n"
