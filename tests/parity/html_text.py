"""WebShop's own rules for reading a page, on the standard library's HTML parser: its text modes, what can be clicked, the search
bar and the instruction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from html.parser import HTMLParser

SKIPPED = {"style", "script", "head", "title", "meta"}
EMPTY = {"meta", "link", "input", "br", "img"}
BLANKS = " \n\t\f\r"


@dataclass(frozen=True, slots=True)
class Text:
    """A visible text node, and what it stands in."""

    text: str
    tag: str
    classes: str
    within: tuple[str, ...]
    """Ids and tags around it, outermost first."""


class _Reader(HTMLParser):
    """Collects text nodes and what can be clicked."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.path: list[tuple[str, str, str]] = []
        """(tag, classes, id) around the place that is read."""
        self.texts: list[Text] = []
        self.ids: list[str] = []
        self.buttons: list[str] = []
        self.links: list[str] = []
        self.options: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attributes}
        self.ids.append(known.get("id", ""))
        if tag == "input" and known.get("type") == "radio":
            self.options.append(known.get("value", ""))
        if tag not in EMPTY:
            self.path.append((tag, known.get("class", ""), known.get("id", "")))

    def handle_endtag(self, tag: str) -> None:
        assert self.path.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not self.path or SKIPPED & {tag for tag, _, _ in self.path}:
            return
        tag, classes, _ = self.path[-1]
        if "btn" in classes.split():
            self.buttons.append(data)
        elif "product-link" in classes.split():
            self.links.append(data)
        if data.strip(BLANKS) or "\n" not in data:
            shown = data if data.strip(BLANKS) else " "
            around = [part for each in self.path for part in (f"#{each[2]}" if each[2] else "", each[0]) if part]
            self.texts.append(Text(shown, tag, classes, tuple(around)))


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def texts_of(html: str) -> str:
    """The text mode of a page: its visible text nodes, without blanks around them."""
    return " [SEP] ".join(each.text.strip() for each in _read(html).texts)


def rich_text_of(html: str, url: str, opened: Collection[str]) -> str:
    """The `text_rich` mode of a page, by the tag and class that each text stands in. `opened`: ids of products that were
    looked at."""
    lines, clicked = [], []
    for each in _read(html).texts:
        if each.tag == "button":
            lines.append(f"[button] {each.text} [button_]")
        elif each.tag == "label":
            mark = "clicked button" if f'"{each.text}"' in url else "button"
            clicked += [f"You have clicked {each.text}.\n"] * (mark != "button")
            lines.append(f"  [{mark}] {each.text} [{mark}_]")
        elif each.classes == "product-link":
            mark = "clicked button" if each.text in opened else "button"
            lines.append(f"\n[{mark}] {each.text} [{mark}_]")
        else:
            lines.append(each.text)
    return "".join([*reversed(clicked), *(f"{line}\n" for line in lines)])


def instruction_of(html: str) -> str:
    """The text of the first `h4` in the element `instruction-text`."""
    return "".join(each.text for each in _read(html).texts if {"#instruction-text", "h4"} <= set(each.within))


def has_search_bar(html: str) -> bool:
    return "search_input" in _read(html).ids


def found(html: str, what: str) -> list[str]:
    """Texts directly in elements of a class, or of a tag within the element of an id (`#reward pre`)."""
    texts = _read(html).texts
    if not what.startswith("#"):
        return [each.text for each in texts if what in each.classes.split()]
    place, _, tag = what.partition(" ")
    return [each.text for each in texts if place in each.within and each.tag == tag]


def clickables_of(html: str) -> list[str]:
    """Names of what can be clicked, in the order of the original's `get_available_actions`."""
    read = _read(html)
    return list(dict.fromkeys([*(text.lower() for text in read.buttons + read.links), *read.options]))
