"""Pages as HTML, for `observation_mode="html"`.

The texts, their order and what a parser looks for are the original's: `id="instruction-text"` with its `h4`,
`id="search_input"`, class `btn` on buttons, class `product-link` on products, radio inputs with name and value. The markup around
them is our own, because no page of the original was recorded as HTML: style, images, scripts and addresses are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import pairwise

from environments.webshop.shop.pages import Node, Page

_BAR = '<input type="text" id="search_input" name="search_query">'
_BEGIN = '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n</head>\n<body>\n'
_END = "\n</body>\n</html>"


def page_html(page: Page) -> str:
    """A page as an HTML document."""
    return _BEGIN + "\n".join(_elements(page)) + _END


def _elements(page: Page) -> Iterator[str]:
    nodes = iter(page.nodes)
    name, number, instructed = "", 0, page.type == "done"
    for role, text in nodes:
        if not instructed and text.strip() == "Instruction:":
            instructed = True
            _, instruction = next(nodes)
            yield f'<div id="instruction-text"><h4>{escape(text)}<br>{escape(instruction)}</h4></div>'
            if page.has_search_bar:
                yield _BAR
        elif role == "option":
            number += 1
            yield _option(name, text, number)
        else:
            name = text
            yield _element(page, role, text)


def _element(page: Page, role: str, text: str) -> str:
    if role == "button":
        return f'<button type="submit" class="btn">{escape(text)}</button>'
    if role == "link":
        return f'<a class="product-link" href="#">{escape(text)}</a>'
    tag = "p" if page.type in ("sub", "done") else "h4"
    return f"<{tag}>{escape(text)}</{tag}>"


def _option(name: str, value: str, number: int) -> str:
    place = f'id="radio_{number}" name="{escape(name)}" value="{escape(value)}"'
    return f'<input type="radio" {place}><label for="radio_{number}">{escape(value)}</label>'


def instruction_of(nodes: tuple[Node, ...]) -> str | None:
    """The text of the `h4` with the instruction; None on the last page, which has none."""
    for (_, before), (_, text) in pairwise(nodes):
        if before.strip() == "Instruction:":
            return before + text
    return None
