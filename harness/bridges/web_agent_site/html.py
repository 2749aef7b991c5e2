"""Pages as HTML, for `observation_mode="html"`.

Texts, their order and white space, and what a parser looks for are the original's: the names of ids, classes and inputs, and
which tag a text stands in. The markup around them is our own: layout, style, images, scripts, forms and addresses are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from environments.webshop.shop.pages import BACK, BUY, Node, Page

_BAR = '<input id="search_input" type="text" name="search_query">'
_BEGIN = '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n</head>\n<body>\n'
_END = "\n</body>\n</html>"
BUTTONS = {"Search": "btn btn-success", BACK: "btn btn-success", BUY: "btn btn-lg purchase"}
"""Text of a button -> its classes; those of all others are `btn btn-primary`."""
PURCHASE = ("asin", "options", "purchased_attrs", "purchased-category", "purchased-query", "purchased-pc")
TARGET = ("asin", "options", "attrs", "price", "instruction-text", "category", "pc", "query")
"""Ids of the last page's lines, those of the target behind `goal-`."""


def page_html(page: Page) -> str:
    """A page as an HTML document."""
    lines = _done(page.nodes) if page.type == "done" else _elements(page)
    return _BEGIN + "\n".join(lines) + _END


def _elements(page: Page) -> Iterator[str]:
    """The lines of a page that shows the instruction."""
    at = next(place for place, (_, text) in enumerate(page.nodes) if text.strip() == "Instruction:")
    (_, label), (_, instruction) = page.nodes[at : at + 2]
    yield from (_tag("h2", text) for _, text in page.nodes[:at])
    yield f'<div id="instruction-text"><h4>{escape(label)}<br>{escape(instruction)}</h4></div>'
    if page.has_search_bar:
        yield _BAR
    rest = page.nodes[at + 2 :]
    yield from {"results": _results, "item": _item, "sub": _sub}.get(page.type, _plain)(rest)


def _results(nodes: Sequence[Node]) -> Iterator[str]:
    """Products come in threes: the link, the title, the price."""
    first = next((place for place, (role, _) in enumerate(nodes) if role == "link"), len(nodes))
    yield from (_button(text) if role == "button" else _tag("h3", text) for role, text in nodes[:first])
    for place in range(first, len(nodes), 3):
        (_, asin), (_, title), (_, price) = nodes[place : place + 3]
        yield f'<h4 class="product-asin"><a class="product-link" href="#">{escape(asin)}</a></h4>'
        yield _tag("h4", title, 'class="product-title"')
        yield _tag("h5", price, 'class="product-price"')


def _item(nodes: Sequence[Node]) -> Iterator[str]:
    name, number, titled = "", 0, False
    for place, (role, text) in enumerate(nodes):
        if role == "button":
            yield _button(text)
        elif role == "option":
            yield _option(name, text, number)
            number += 1
        else:
            title = not titled and nodes[place + 1][1].startswith("Price: ") and nodes[place + 1][0] == "text"
            titled = titled or title
            yield _tag("h2" if title else "h4", text)
            name, number = text, 0


def _sub(nodes: Sequence[Node]) -> Iterator[str]:
    """A page about a product: lines of it, and, of attributes, the three names of its kind."""
    texts = [text for role, text in nodes if role == "text"]
    kinds = len(texts) > 3 and not texts[-1].startswith(" ")
    classes = ["attribute" if kinds else "product-info"] * len(texts)
    if kinds:
        classes[-3:] = "product-category", "product-query", "product-product_category"
    yield from (_button(text) for role, text in nodes if role == "button")
    for text, name in zip(texts, classes, strict=True):
        yield _tag("h5" if name.startswith("product-") and kinds else "p", text, f'class="{name}"')


def _plain(nodes: Sequence[Node]) -> Iterator[str]:
    return (_button(text) if role == "button" else _tag("h4", text) for role, text in nodes)


def _done(nodes: Sequence[Node]) -> Iterator[str]:
    """The last page, whose lines are always the same ones: a label, and in most a value."""
    texts = iter([text for _, text in nodes])
    yield _tag("h1", next(texts))
    yield _tag("h3", next(texts))
    yield f"<p><pre>{escape(next(texts))}</pre>{escape(next(texts))}</p>"
    yield _tag("h2", next(texts))
    yield from (_valued("h4", name, next(texts), next(texts)) for name in PURCHASE)
    yield _tag("h2", next(texts))
    yield from (_valued("h4", f"goal-{name}", next(texts), "") for name in TARGET)
    yield f'<h4>{escape(next(texts))}<div id="goal"><pre>{escape(next(texts))}</pre></div></h4>'
    yield _tag("h2", next(texts))
    yield _valued("h3", "reward", next(texts), next(texts))
    yield f'<h4 hidden>{escape(next(texts))}<div id="reward_info"><pre>{escape(next(texts))}</pre></div></h4>'


def _valued(tag: str, name: str, label: str, value: str) -> str:
    return f'<{tag} id="{name}">{escape(label)}<pre>{escape(value)}</pre></{tag}>'


def _tag(tag: str, text: str, more: str = "") -> str:
    return f"<{tag}{' ' * bool(more)}{more}>{escape(text)}</{tag}>"


def _button(text: str) -> str:
    return f'<button type="submit" class="{BUTTONS.get(text, "btn btn-primary")}">{escape(text)}</button>'


def _option(name: str, value: str, number: int) -> str:
    place = f"radio_{escape(name)}{number}"
    radio = f'<input type="radio" id="{place}" name="{escape(name)}" value="{escape(value)}">'
    return f'{radio}<label for="{place}">{escape(value)}</label>'


def instruction_of(nodes: tuple[Node, ...]) -> str | None:
    """The text of the `h4` with the instruction; None on the last page, which has none."""
    for (_, before), (_, text) in pairwise(nodes):
        if before.strip() == "Instruction:":
            return before + text
    return None
