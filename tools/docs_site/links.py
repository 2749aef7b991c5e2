"""Links of our pages to files outside docs/: on GitHub they lead to the file, on the site to a page or a copy of it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

LINK = re.compile(r"(?P<before>\]\()(?P<to>[^)\s]+)(?P<after>\))")
CODE = re.compile(r"(^```.*?^```|^    \S.*?$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
REPOSITORY = "repository"
"""Folder of the site that holds what lies outside docs/."""
DOCS = "docs"


def site_path(path: str) -> str:
    """The path on the site of a file in the repository. Both are relative to their root and written with `/`."""
    inside = path.startswith(f"{DOCS}/")
    return path.removeprefix(f"{DOCS}/") if inside else f"{REPOSITORY}/{path}"


def target(page: str, link: str, root: Path) -> str | None:
    """The repository's file that a link of a page leads to; None for an address, an anchor, or what does not exist.

    A folder stands for its README.md, or for its only file.
    """
    path = link.partition("#")[0]
    if not path or re.match(r"[a-z]+:", link):
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    if (root / found).is_dir():
        inside = sorted(each.name for each in (root / found).iterdir())
        found += f"/{'README.md' if 'README.md' in inside else inside[0]}"
    return found if (root / found).is_file() else None


def each_link(text: str, do: Callable[[str], str]) -> str:
    """The text with every link's target replaced by what `do` makes of it; code stays as it is."""
    parts = CODE.split(text)
    changed = (LINK.sub(lambda found: found["before"] + do(found["to"]) + found["after"], part) for part in parts[::2])
    kept = (*parts[1::2], "")
    return "".join(part + code for part, code in zip(changed, kept, strict=True))


def links(text: str) -> list[str]:
    """Every link's target, in order."""
    return [found["to"] for part in CODE.split(text)[::2] for found in LINK.finditer(part)]


def rewritten(page: str, text: str, root: Path) -> str:
    """A page's text for the site. `page`: its path in the repository. A link that leads nowhere stays, for mkdocs to report."""

    def lead(link: str) -> str:
        to = target(page, link, root)
        if to is None:
            return link
        anchor = "#" + link.partition("#")[2] if "#" in link else ""
        return posixpath.relpath(site_path(to), posixpath.dirname(site_path(page)) or ".") + anchor

    return each_link(text, lead)


def outside(root: Path) -> list[str]:
    """Files outside docs/ that its pages lead to, and those that these lead to, and so on."""
    waiting = [f"{DOCS}/{path.name}" for path in sorted((root / DOCS).glob("*.md"))]
    found: dict[str, None] = {}
    while waiting:
        page = waiting.pop(0)
        for link in links((root / page).read_text("utf-8")):
            to = target(page, link, root)
            if to is None or to in found or to.startswith(f"{DOCS}/"):
                continue
            found[to] = None
            waiting += [to] if to.endswith(".md") else []
    return list(found)
