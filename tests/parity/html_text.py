"""What an agent script's HTML parser finds on a page: WebShop's own rules, on the standard library's parser."""

from __future__ import annotations

from html.parser import HTMLParser

SKIPPED = {"style", "script", "head", "title", "meta"}
EMPTY = {"meta", "link", "input", "br", "img"}
BLANKS = " \n\t\f\r"


class _Reader(HTMLParser):
    """Collects text nodes and what can be clicked."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.path: list[str] = []
        self.texts: list[str] = []
        self.buttons: list[str] = []
        self.links: list[str] = []
        self.options: list[str] = []
        self.kind = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        classes = (known.get("class") or "").split()
        self.kind = "button" if "btn" in classes else "link" if "product-link" in classes else ""
        if tag == "input" and known.get("type") == "radio":
            self.options.append(known.get("value") or "")
        if tag not in EMPTY:
            self.path.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.path.pop()
        self.kind = ""

    def handle_data(self, data: str) -> None:
        if self.kind:
            (self.buttons if self.kind == "button" else self.links).append(data)
        if not self.path or SKIPPED & set(self.path):
            return
        if data.strip(BLANKS) or "\n" not in data:
            self.texts.append(data.strip())


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def texts_of(html: str) -> str:
    """The text mode of a page: its visible text nodes, without blanks around them."""
    return " [SEP] ".join(_read(html).texts)


def clickables_of(html: str) -> list[str]:
    """Names of what can be clicked, in the order of the original's `get_available_actions`."""
    read = _read(html)
    return list(dict.fromkeys([*(text.lower() for text in read.buttons + read.links), *read.options]))
