"""The viewer in a real browser: every page opens, on a run and on nothing; filters, links and downloads do what they say; it
talks to nobody but itself, fits a phone, follows light and dark, and can be used without a mouse."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.base.figures import decimals
from harness.results.index import latest_episodes, latest_judgements
from harness.results.store import MANIFEST
from leaderboard.board import leaderboard, open_board, plain_rows
from tests.browser.browsing import PHONE, Watched, overflow, watch
from tests.browser.viewing import DRAWN_MS, PAGES, exceptions, said, settle, show, viewer
from tests.shared_data import DEMO, THREE_ENVIRONMENTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The viewer over a copy of the committed demonstration run."""
    yield from viewer_of_copy(DEMO, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The viewer over a copy of the committed run of three environments."""
    yield from viewer_of_copy(THREE_ENVIRONMENTS, tmp_path_factory.mktemp("three"))


def viewer_of_copy(run: Path, folder: Path) -> Iterator[str]:
    shutil.copytree(run, folder / run.name)
    with viewer(folder) as address:
        yield address


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The viewer over a folder with nothing in it."""
    with viewer(tmp_path_factory.mktemp("empty")) as address:
        yield address


def open_page(seen: Watched, address: str, page: str) -> str:
    """Show a page; fails when anything went wrong. Returns its text."""
    show(seen.page, f"{address}/{page}")
    sound(seen, address)
    return said(seen.page)


def sound(seen: Watched, address: str) -> None:
    assert exceptions(seen.page) == []
    assert seen.problems == []
    assert seen.strangers(address) == []


def table_rows(page: Page, key: str) -> list[dict[str, str]]:
    """The rows of all tables of that class, their cells by heading."""
    found: list[dict[str, str]] = page.evaluate(
        """key => [...document.querySelectorAll(`.${key} table.cards`)].flatMap(table => {
            const heads = [...table.tHead.rows[0].cells].map(cell => cell.textContent);
            return [...table.tBodies[0].rows].map(row =>
                Object.fromEntries([...row.cells].map((cell, at) => [heads[at], cell.textContent])));
        })""",
        key,
    )
    return found


def downloaded(page: Page, button: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_every_page_opens_on_the_demonstration_run(demo: str, seen: Watched) -> None:
    for page in PAGES:
        assert len(open_page(seen, demo, page)) > 100


@pytest.mark.slow
def test_every_page_opens_on_a_judged_run_of_several_environments(three: str, seen: Watched) -> None:
    for page in PAGES:
        assert len(open_page(seen, three, page)) > 100


@pytest.mark.slow
def test_on_an_empty_folder_every_page_opens_and_names_a_command(empty: str, seen: Watched) -> None:
    for page in PAGES:
        assert re.search(r"^harness \w+", open_page(seen, empty, page), re.MULTILINE), f"/{page} names no command"


@pytest.mark.slow
def test_an_open_page_shows_a_run_that_begins_after_it_was_opened(seen: Watched, tmp_path: Path) -> None:
    away, results = tmp_path / "away", tmp_path / "results"
    results.mkdir()
    with viewer(results) as address:
        assert "No run in" in open_page(seen, address, "")
        for name, words in (("first", "1 run,"), ("second", "2 runs,")):
            shutil.copytree(THREE_ENVIRONMENTS, away)
            manifest = json.loads((away / MANIFEST).read_text()) | {"run": name}
            (away / MANIFEST).write_text(json.dumps(manifest))
            away.rename(results / name)
            seen.page.get_by_text(words).first.wait_for(timeout=DRAWN_MS)
        sound(seen, address)


@pytest.mark.slow
def test_the_leaderboard_shows_the_tables_rows_in_their_order(three: str, seen: Watched) -> None:
    open_page(seen, three, "leaderboard")
    expected = plain_rows(leaderboard(open_board([THREE_ENVIRONMENTS])))
    rows = table_rows(seen.page, "ranking")
    assert [row["Actor"] for row in rows] == [row["actor"] for row in expected]
    assert [row["Strategist"].removesuffix(" scripted") for row in rows] == [row["strategist"] for row in expected]
    metrics = [row["metric"].capitalize() for row in expected]
    assert [row[metric] for row, metric in zip(rows, metrics, strict=True)] == [
        decimals(row["goal"], 2) for row in expected
    ]


@pytest.mark.slow
def test_a_filter_changes_the_table_and_the_address_and_the_address_alone_gives_the_same(
    three: str, seen: Watched
) -> None:
    open_page(seen, three, "leaderboard")
    before = table_rows(seen.page, "ranking")
    seen.page.get_by_role("combobox", name="Environment").click()
    seen.page.get_by_role("option", name="webshop").click()
    seen.page.wait_for_url("**/leaderboard?environment=webshop")
    settle(seen.page)
    after = table_rows(seen.page, "ranking")
    assert 0 < len(after) < len(before)
    assert any("oracle" in row["Actor"] for row in after)
    assert not any("expert" in row["Actor"] for row in after)
    again = seen.page.context.new_page()
    show(again, seen.page.url)
    assert table_rows(again, "ranking") == after
    sound(seen, three)


@pytest.mark.slow
def test_an_episode_opens_from_its_link_and_the_link_can_be_shared(three: str, seen: Watched, browser: Browser) -> None:
    judged = {row["episode_id"] for row in latest_judgements(THREE_ENVIRONMENTS).values() if row["status"] == "scored"}
    wanted = next(row for row in latest_episodes(THREE_ENVIRONMENTS).values() if row["episode_id"] in judged)
    open_page(seen, three, f"episodes?search={wanted['episode_id']}")
    seen.page.locator(f"a[href*='{wanted['episode_id']}']").first.click()
    seen.page.wait_for_url(f"**/episodes?*episode={wanted['episode_id']}*")
    settle(seen.page)
    seen.page.wait_for_function(
        "id => document.querySelector('[data-testid=stMain]').innerText.includes(id)", arg=wanted["task_id"]
    )
    text = said(seen.page)
    assert "believability" in text.lower()
    sound(seen, three)
    context = browser.new_context()
    stranger = context.new_page()
    show(stranger, seen.page.url)
    assert said(stranger) == text
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize("page", ["leaderboard", "matrix", "cost", "episodes"])
def test_the_downloads_hold_what_the_table_shows(three: str, seen: Watched, page: str) -> None:
    open_page(seen, three, page)
    rows = table_rows(seen.page, "ranking" if page == "leaderboard" else page)
    assert rows
    got = list(csv.DictReader(io.StringIO(downloaded(seen.page, "Download CSV"))))
    assert len(got) == len(rows)
    for mine, shown in zip(got, rows, strict=True):
        for heading, text in shown.items():
            if heading == "Not told apart":  # brackets on the screen, their letters in the file
                assert re.findall(r"\w", mine[heading]) == re.findall(r"\w", text)
                continue
            name = (
                "Goal" if heading in ("Success", "Reward") else heading
            )  # a file of several environments has one column
            assert mine[name] == cell_text(text, mine[name]), heading
    markdown = downloaded(seen.page, "Download Markdown").splitlines()[2:]
    assert [[unescaped(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in markdown] == [
        list(row.values()) for row in got
    ]
    latex = downloaded(seen.page, "Download LaTeX")
    assert latex.count(r"\\") == len(got) + 1


def cell_text(shown: str, whole: str) -> str:
    """What a cell says: without the mark of a scripted agent or of a difference that is shown, and without the count over a
    folded list; an episode's id is shown by its beginning."""
    text = shown.strip().removesuffix(" scripted")
    if text[:2] in ("▲ ", "▼ ") and whole[:2] != text[:2]:
        text = text[2:]
    if folded := re.match(r"(\d+) arms", text):
        text = text[folded.end() :]
        assert len(text.split(", ")) == int(folded[1])
    return whole if len(text) == 10 and whole.startswith(text) else text


def unescaped(cell: str) -> str:
    return re.sub(r"\\(.)", r"\1", cell.strip())


@pytest.mark.slow
def test_the_pages_and_the_filters_can_be_reached_and_used_with_the_keyboard_alone(three: str, seen: Watched) -> None:
    open_page(seen, three, "leaderboard")
    reached = []
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        name = seen.page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent")
        reached.append(name.strip())
    text = "\n".join(reached)
    for wanted in ("Matrix", "Judges", "Environment", "Ranking", "Download CSV", "builtin-test"):
        assert wanted in text, f"{wanted} is not reached by Tab: {reached}"
    link = seen.page.locator("[data-testid=stSidebarNav] a", has_text="Matrix")
    link.focus()
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**/matrix")
    settle(seen.page)
    assert seen.page.locator("h1").inner_text() == "Matrix"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["compare", "cost", "judges", "training"])
def test_every_chart_has_its_words(three: str, seen: Watched, page: str) -> None:
    open_page(seen, three, page)
    charts = seen.page.locator("[data-testid=stPlotlyChart]").all()
    assert charts or page in ("training", "judges")
    assert all(len(chart.get_attribute("aria-label") or "") > 20 for chart in charts)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_no_page_is_wider_than_a_phone(three: str, browser: Browser, page: str) -> None:
    context = browser.new_context(viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
    seen = watch(context.new_page())
    open_page(seen, three, page)
    assert overflow(seen.page) <= 0
    context.close()


@pytest.mark.slow
def test_it_follows_light_and_dark(three: str, browser: Browser) -> None:
    papers = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        show(page, three)
        papers[scheme] = page.evaluate(
            "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor.match(/\\d+/g).map(Number)"
        )
        context.close()
    assert min(papers["light"][:3]) > 200
    assert max(papers["dark"][:3]) < 60
