"""`harness share`: a folder that needs no server, whose links lead somewhere, and that says what was verified."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import pytest
from PIL import Image

from harness.cli import main
from tests.leaderboard.test_page import HOSTILE, play

Record = dict[str, Any]


class Tags(HTMLParser):
    """The links, ids and tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            elif name == "id":
                self.ids.add(value or "")
            elif name.startswith("on"):
                self.handlers.append(name)


def changed(run: Path, to: Path, change: Callable[[Record], None]) -> Path:
    """A copy of a run, every episode of which is changed."""
    shutil.copytree(run, to)
    path = to / "episodes.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        change(record)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return to


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play(tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture(scope="module")
def site(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "site"
    assert main(["share", str(run), "--out", str(out)]) == 0
    return out


def metas(site: Path) -> dict[str, str]:
    """The page's meta elements by name or property."""
    found = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', (site / "index.html").read_text())
    return {name: html.unescape(content) for name, content in found}


def test_a_link_to_the_page_shows_a_picture_of_its_answer(site: Path) -> None:
    told = metas(site)
    assert told["og:image"] == "card.png"
    assert told["og:image:alt"] == told["og:description"]
    with Image.open(site / "card.png") as card:
        assert (card.format, card.size) == ("PNG", (1200, 630))
        assert f"{card.width}x{card.height}" == f"{told['og:image:width']}x{told['og:image:height']}"
        colours = {colour for _, colour in card.getcolors(1 << 20) or ()}
    assert {(0x00, 0x72, 0xB2), (0x1C, 0x20, 0x24)} <= colours, "marks and words"


@pytest.mark.parametrize("url", ["https://me.github.io/runs", "https://me.github.io/runs/index.html"])
def test_with_its_address_the_page_names_the_whole_address_of_its_picture(run: Path, tmp_path: Path, url: str) -> None:
    assert main(["share", str(run), "--out", str(tmp_path / "site"), "--url", url]) == 0
    assert metas(tmp_path / "site")["og:image"] == "https://me.github.io/runs/card.png"


def test_an_address_that_is_none_is_refused_before_anything_is_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["share", str(run), "--out", str(tmp_path / "site"), "--url", "me.github.io"]) == 2
    assert "--url 'me.github.io': expected the folder's address" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_without_what_draws_it_there_is_no_picture_and_a_word_about_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.commands.share_runs.can_draw", lambda: False)
    assert main(["share", str(run), "--out", str(tmp_path / "site")]) == 0
    assert "no title card for links to the page: Pillow is not installed" in capsys.readouterr().err
    assert not (tmp_path / "site" / "card.png").exists()
    assert "og:image" not in metas(tmp_path / "site")


def test_every_link_leads_to_a_file_of_the_folder_and_to_a_place_in_it(site: Path) -> None:
    pages = {path: Tags(path.read_text()) for path in site.rglob("*.html")}
    assert len(pages) >= 3
    for path, page in pages.items():
        for link in page.links:
            name, place = urldefrag(link)
            target = (path.parent / name).resolve() if name else path
            assert target.is_file(), (path, link)
            assert target.is_relative_to(site.resolve())
            assert not place or place in pages[target].ids, (path, link)
    pair = [link for link in pages[site / "index.html"].links if link.startswith("transcripts/") and "#" in link]
    assert len(pair) >= 2, "both episodes of a pair lead to their transcripts"


def test_every_episode_has_a_row_that_is_searched_and_a_transcript(run: Path, site: Path) -> None:
    records = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    listed = (site / "transcripts" / "index.html").read_text()
    whole = "".join(path.read_text() for path in (site / "transcripts").glob("*-*.html"))
    assert listed.count("data-said=") == len(records)
    for record in records:
        assert f'id="{record["episode_id"]}"' in whole
        assert f"#{record['episode_id']}" in listed
    assert "plan 0 for seat 0" in listed, "what was said can be searched"
    assert "plan 0 for seat 0" in whole


def test_it_says_what_was_verified(site: Path) -> None:
    told = json.loads((site / "runs" / "mine" / "verified.json").read_text())
    assert told["checks"]["worlds"]["different"] == {}
    page = (site / "index.html").read_text()
    assert "runs/mine/badge.svg" in page
    assert "A badge cannot confirm that the named models gave the recorded answers" in page
    assert not (site / "runs" / "mine" / "episodes.jsonl").exists(), "records only where they are asked for"


def test_it_says_how_to_play_and_verify_the_run_again_from_what_lies_beside_it(
    run: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "harness run mine --name mine-again" in (site / "index.html").read_text(), "no path of this machine"
    assert main(["share", str(run), "--out", str(tmp_path / "site"), "--records"]) == 0
    (lines,) = re.findall("<pre>(.*?)</pre>", (tmp_path / "site" / "index.html").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path / "site")
    assert [main(line.split()[1:]) for line in lines.splitlines()] == [0, 0]
    assert (tmp_path / "site" / "results" / "mine-again" / "episodes.jsonl").exists()


def test_a_doctored_run_is_shared_as_what_it_is(run: Path, tmp_path: Path) -> None:
    def won(record: Record) -> None:
        if record["environment"] == "webshop" and record["outcome"]:
            record["outcome"]["score"] = 0.9876

    doctored = changed(run, tmp_path / "run", won)
    assert main(["share", str(doctored), "--out", str(tmp_path / "site"), "--records"]) == 1
    assert "not confirmed" in (tmp_path / "site" / "runs" / "run" / "badge.svg").read_text()
    assert main(["verify", str(tmp_path / "site" / "runs" / "run")]) == 1, "whoever gets the folder finds it, too"


def test_an_earlier_folder_is_replaced_whole_and_no_other(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    assert main(["share", str(run), "--out", str(out)]) == 0
    (out / "transcripts" / "old.html").write_text("old")
    assert main(["share", str(run), "--out", str(out)]) == 0
    assert not (out / "transcripts" / "old.html").exists()

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    assert main(["share", str(run), "--out", str(tmp_path / "mine")]) == 2
    assert main(["share", str(run), "--out", str(run)]) == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"


def test_no_word_of_an_agent_becomes_markup(run: Path, site: Path, tmp_path: Path) -> None:
    def poison(record: Record) -> None:
        for number, turn in enumerate(record["turns"]):
            turn["strategy"] = turn["rendered"] = HOSTILE[number % len(HOSTILE)]
        for seat in record["seats"]:
            seat["background"] = "\n".join(HOSTILE)

    poisoned = changed(run, tmp_path / "run", poison)
    assert main(["share", str(poisoned), "--out", str(tmp_path / "site")]) == 1
    usual = {tag for path in site.rglob("*.html") for tag in Tags(path.read_text()).tags}
    for path in (tmp_path / "site").rglob("*.html"):
        page = Tags(path.read_text())
        assert set(page.tags) <= usual
        assert page.tags.count("script") == 1
        assert page.handlers == []
        assert "default-src 'none'" in path.read_text()
