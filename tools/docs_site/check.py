"""Check a built site: every link, picture, script and anchor is there, and nothing is fetched from elsewhere."""

from __future__ import annotations

import posixpath
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
"""Attributes whose address a browser fetches without a click."""
NOT_FETCHED = {"canonical", "alternate", "next", "prev"}
"""Kinds of `<link>` that name a page."""


class Page(HTMLParser):
    """A page's anchors, its links, and what it fetches."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        for name in ("href", "src"):
            if given.get(name):
                named_only = tag == "link" and given.get("rel") in NOT_FETCHED
                (self.fetched if (tag, name) in FETCHED and not named_only else self.links).add(given[name])


def problems(site: Path) -> list[str]:
    """List the problems, one line each."""
    pages = {path.relative_to(site).as_posix(): Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    said = [f"{name}: {found}" for name, page in pages.items() for found in of_page(name, page, pages, site)]
    sheets = sorted(site.rglob("*.css"))
    return said + [f"{sheet.name}: fetches {url}" for sheet in sheets for url in foreign_urls(sheet.read_text("utf-8"))]


def of_page(name: str, page: Page, pages: dict[str, Page], site: Path) -> list[str]:
    foreign = [f"fetches {url}" for url in sorted(page.fetched) if urlsplit(url).netloc]
    return foreign + [
        f"leads nowhere: {url}" for url in sorted(page.links | page.fetched) if is_dead(name, url, pages, site)
    ]


def is_dead(name: str, url: str, pages: dict[str, Page], site: Path) -> bool:
    """True for a relative address without a file or an anchor. The page for unknown addresses has absolute ones."""
    parts = urlsplit(url)
    if parts.scheme or parts.netloc or name == "404.html":
        return False
    to = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
    to = f"{to}/index.html".removeprefix("./") if (site / to).is_dir() else to
    if not (site / to).is_file():
        return True
    return bool(parts.fragment) and to in pages and unquote(parts.fragment) not in pages[to].anchors | {"__skip", "top"}


def foreign_urls(sheet: str) -> list[str]:
    return re.findall(r"url\(\s*['\"]?((?:https?:)?//[^)'\"]+)", sheet)


def main() -> int:
    """Print what is wrong with the site in a folder, or how many pages are right."""
    site = Path(sys.argv[1])
    found = problems(site)
    print("\n".join(found) or f"{len(list(site.rglob('*.html')))} pages under {site}, every link leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
