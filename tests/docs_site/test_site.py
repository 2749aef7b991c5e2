"""The site has every page in its navigation, and its made pages say all that the program has. Building it is `make docs`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import harness
from harness.cli import parser
from tests.shared_data import ROOT
from tools.docs_site.api_pages import listed_names
from tools.docs_site.check import problems
from tools.docs_site.links import links, outside, rewritten, site_path, target
from tools.docs_site.pages import SCHEMAS, made_pages
from tools.docs_site.schema_pages import read_schema

WRITTEN = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
READERS = ["recreate.md", "gate.md", "author.md"]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return made_pages()


def navigation() -> list[str]:
    """Every page that mkdocs.yml lists, in order."""
    found: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, str):
            found.append(part)
        else:
            for each in part.values() if isinstance(part, dict) else part:
                walk(each)

    walk(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    return found


def test_every_page_is_in_the_navigation_once(made: dict[str, str]) -> None:
    pages = [site_path(path) for path in [*WRITTEN, *outside(ROOT)] if path.endswith(".md")]
    assert sorted(navigation()) == sorted([*pages, *made])


def test_the_readers_pages_come_first_after_the_start() -> None:
    listed = navigation()
    assert listed[0] == "README.md"
    places = [listed.index(page) for page in READERS]
    assert places == list(range(places[0], places[0] + 3)) and places[0] < 5


@pytest.mark.parametrize("page", [*WRITTEN, *(path for path in outside(ROOT) if path.endswith(".md"))])
def test_every_link_of_a_page_leads_to_a_file_of_the_repository(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    local = [link for link in links(text) if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in local if target(page, link, ROOT) is None] == []


def test_a_link_out_of_the_docs_leads_to_the_file_s_place_on_the_site() -> None:
    text = "[a](../CONTRIBUTING.md#add-a-part) [b](ci.md) [c](https://x.org) `[d](../README.md)`\n```\n[e](../README.md)\n```\n"
    assert rewritten("docs/api.md", text, ROOT) == text.replace("../CONTRIBUTING.md", "repository/CONTRIBUTING.md")
    back = rewritten("recipes/README.md", "[a](../docs/selfplay.md) [b](cpu/README.md) [c](accelerate/)", ROOT)
    assert back.startswith("[a](../../selfplay.md) [b](cpu/README.md) [c](accelerate/")


def every_command(whole: argparse.ArgumentParser, said: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                inner = list(every_command(below, f"{said} {name}"))
                yield from inner or [(f"{said} {name}", below)]


def test_the_page_of_commands_has_every_command_with_every_option(made: dict[str, str]) -> None:
    sections = dict(re.findall(r"^## (harness .*?)\n(.*?)(?=^## |\Z)", made["reference/commands.md"], re.M | re.S))
    commands = dict(every_command(parser(), "harness"))
    assert list(sections) == list(commands) and len(commands) > 25
    for name, command in commands.items():
        flags = [flag for action in command._actions for flag in action.option_strings if flag not in ("-h", "--help")]
        shown = [action.option_strings for action in command._actions if action.help == argparse.SUPPRESS]
        hidden = {flag for each in shown for flag in each}
        assert [flag for flag in flags if flag not in hidden and f"{flag}" not in sections[name]] == [], name


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_page_of_a_file_has_every_key(name: str, made: dict[str, str]) -> None:
    schema = read_schema((ROOT / SCHEMAS[name][2]).read_text("utf-8"))
    page = made[f"reference/{name}.md"]
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    bodies = {"The file": schema, **schema["definitions"]}
    for heading, body in bodies.items():
        for key in body.get("properties", {}):
            assert f"`{key}`\n:" in sections[heading], (heading, key)


def test_the_api_pages_have_every_public_name_once() -> None:
    assert sorted(listed_names()) == sorted(harness.__all__)


def test_no_page_is_made_by_hand_where_it_could_be_made(made: dict[str, str]) -> None:
    assert not [path for path in made if (ROOT / "docs" / path).exists()]


GOOD = "<html><body><h1 id='a'>A</h1><a href='b.html#b'>b</a></body></html>"
FAULTS = {
    "a page": ("<a href='c.html'>c</a>", "leads nowhere: c.html"),
    "an anchor": ("<a href='b.html#c'>c</a>", "leads nowhere: b.html#c"),
    "a picture": ("<img src='c.png'>", "leads nowhere: c.png"),
    "a script from elsewhere": ("<script src='https://cdn.example/x.js'></script>", "fetches https://cdn.example/x.js"),
    "a font from elsewhere": ("<link rel='stylesheet' href='//fonts.example/a.css'>", "fetches //fonts.example/a.css"),
}


@pytest.mark.parametrize(("wrong", "said"), FAULTS.values(), ids=FAULTS)
def test_the_check_finds_what_is_missing_or_fetched(tmp_path: Path, wrong: str, said: str) -> None:
    (tmp_path / "b.html").write_text("<p id='b'>b</p><a href='https://x.org'>may be asked by a click</a>")
    (tmp_path / "a.html").write_text(GOOD)
    assert problems(tmp_path) == []
    (tmp_path / "a.html").write_text(GOOD.replace("</body>", wrong + "</body>"))
    assert problems(tmp_path) == [f"a.html: {said}"]


def test_a_font_in_a_stylesheet_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text(
        "@font-face { src: url('https://fonts.example/a.woff2') } .x { background: url(x.svg) }"
    )
    assert problems(tmp_path) == ["a.css: fetches https://fonts.example/a.woff2"]
