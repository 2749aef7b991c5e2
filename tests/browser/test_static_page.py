"""The static page in a real browser, from a file: it asks for nothing, runs nothing of others, fits a phone, sorts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from leaderboard.board import open_board
from leaderboard.page import write_page
from tests.browser.browsing import PHONE, Canary, Watched, overflow
from tests.browser.hostile import hostile_run
from tests.shared_data import THREE_ENVIRONMENTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> str:
    """A page made from hostile records."""
    folder = tmp_path_factory.mktemp("static")
    hostile_run(folder / "run", canary.url)
    return write_page(open_board([folder / "run"]), folder / "out").as_uri()


def test_hostile_names_neither_run_nor_fetch(address: str, seen: Watched, canary: Canary) -> None:
    seen.page.goto(address)
    for button in seen.page.locator("th button").all()[:8]:
        button.click()
    assert seen.page.evaluate("window.pwned") is None
    assert seen.requests == [address]
    assert (seen.problems, seen.dialogs, seen.popups, canary.asked) == ([], [], [], [])


def test_the_policy_lets_nothing_in_even_if_a_name_became_markup(address: str, seen: Watched, canary: Canary) -> None:
    seen.page.goto(address)
    seen.page.evaluate(
        """url => { document.body.insertAdjacentHTML("beforeend",
            `<img src="${url}/i.png" onerror="window.pwned=1"><iframe src="${url}/f"></iframe>`) }""",
        canary.url,
    )
    seen.page.wait_for_timeout(300)
    assert canary.asked == []
    assert seen.page.evaluate("window.pwned") is None
    assert any("Content Security Policy" in problem for problem in seen.problems)


def test_a_heading_sorts_its_table_by_number_with_the_keyboard_too(address: str, seen: Watched) -> None:
    seen.page.goto(address)
    table = seen.page.locator("table.sortable").first
    goal = table.locator("th", has_text="Goal")

    def goals() -> list[float]:
        column = goal.evaluate("head => head.cellIndex")
        cells = table.locator(f"tbody td:nth-child({column + 1})").all()
        return [float(cell.get_attribute("data-value") or "nan") for cell in cells]

    assert len(goals()) == 6
    goal.locator("button").focus()
    seen.page.keyboard.press("Enter")
    assert goals() == sorted(goals(), reverse=True)
    seen.page.keyboard.press("Enter")
    assert goals() == sorted(goals())
    assert goal.get_attribute("aria-sort") == "ascending"


def test_without_script_the_page_shows_the_same(address: str, browser: Browser, seen: Watched) -> None:
    seen.page.goto(address)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("main").inner_text().split() == seen.page.locator("main").inner_text().split()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_follows_light_and_dark(
    address: str, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, device_scale_factor=2)
    page = context.new_page()
    page.goto(address)
    assert overflow(page) == 0
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}[scheme]
    context.close()


def test_a_phone_shows_the_metric_and_its_interval_of_every_ranked_arm_without_scrolling(
    tmp_path: Path, browser: Browser
) -> None:
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    page.goto(write_page(open_board([THREE_ENVIRONMENTS]), tmp_path).as_uri())
    for number in range(3):
        heads = page.locator("#ranking table").nth(number).locator("th:visible")
        shown = heads.all_inner_texts()[:4]
        assert shown[:2] == ["Rank", "Strategist"]
        assert shown[2] in ("Success", "Goal", "Reward")
        assert shown[3] == "95 % interval"
        box = heads.nth(3).bounding_box()
        assert box is not None and box["x"] + box["width"] <= PHONE["width"]
    below = "getComputedStyle(document.querySelector('#ranking [data-with]'), '::after').content"
    assert page.evaluate(below) == '"with script:follow"', "the actor stands below its strategist"
    context.close()


def test_what_scrolls_and_what_is_linked_can_be_reached_by_key_and_has_a_name(address: str, seen: Watched) -> None:
    seen.page.goto(address)
    names = []
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        names.append(
            seen.page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent").strip()
        )
    assert names[0] == "Parts of this page"
    assert any("mean goal with 95 % interval" in name for name in names)
    assert all(names)


def test_it_prints(tmp_path: Path, address: str, seen: Watched) -> None:
    seen.page.goto(address)
    assert seen.page.pdf().startswith(b"%PDF")
