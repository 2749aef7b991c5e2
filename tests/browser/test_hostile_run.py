"""A run full of payloads, looked at in a real browser through the viewer: they are shown as text, run nothing, fetch
nothing and lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from harness.results.index import latest_episodes
from leaderboard.page.markup import plain
from tests.browser.browsing import Canary, Watched
from tests.browser.hostile import hostile_run
from tests.browser.payloads import payloads
from tests.browser.viewing import PAGES, exceptions, settle, show, viewer, visible_lines

pytestmark = pytest.mark.slow

LINKS = """[...document.querySelectorAll('a, area, form, use, image, img')].map(part => part.getAttribute('href')
    ?? part.getAttribute('xlink:href') ?? part.getAttribute('action') ?? part.getAttribute('src')).filter(Boolean)"""
OPEN = "document.querySelectorAll('details').forEach(part => { part.open = true })"
TEXT = "document.querySelector('[data-testid=stMain]').textContent"
HANDLERS = """[...document.querySelectorAll('[data-testid=stMain] *')].flatMap(part => part.getAttributeNames()
    .filter(name => /^on|^srcdoc$/.test(name)).map(name => part.tagName + ' ' + name))"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Path:
    return hostile_run(tmp_path_factory.mktemp("hostile") / "run", canary.url)


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    with viewer(run) as shown:
        yield shown


def nothing_happened(seen: Watched, address: str, canary: Canary) -> None:
    """Nothing of a payload ran, asked for anything, opened anything or became part of the page."""
    seen.page.evaluate(OPEN)
    for name in ("mouseover", "focus", "toggle", "pointerenter"):
        seen.page.evaluate(
            "name => document.querySelectorAll('[data-testid=stMain] *').forEach(e => e.dispatchEvent(new Event(name)))",
            name,
        )
    seen.page.wait_for_timeout(200)
    assert exceptions(seen.page) == []
    for frame in seen.page.frames:
        assert frame.evaluate("window.pwned") is None
    assert (canary.asked, seen.dialogs, seen.popups) == ([], [], [])
    assert seen.strangers(address) == []
    assert seen.page.evaluate(HANDLERS) == []
    own = urlsplit(address).netloc
    for target in seen.page.evaluate(LINKS):
        there = urlsplit(urljoin(seen.page.url, target))
        inside = there.scheme == "data" and target.startswith("data:image/png")
        assert inside or (there.scheme, there.netloc) == ("http", own), f"a link leads to {target!r}"
    assert seen.page.locator("iframe, object, embed, audio, video, base, meta[http-equiv=refresh]").count() == 0
    assert not [problem for problem in seen.problems if "404" not in problem]


@pytest.mark.parametrize("page", PAGES)
def test_on_every_page_names_are_text(address: str, seen: Watched, canary: Canary, page: str) -> None:
    show(seen.page, f"{address}/{page}")
    nothing_happened(seen, address, canary)


def test_every_payload_stands_in_an_episode_as_text_and_does_nothing(
    address: str, run: Path, seen: Watched, canary: Canary
) -> None:
    wanted = {name: visible_lines(plain(text)) for name, text in payloads(canary.url).items()}
    for number, episode in enumerate(latest_episodes(run)):
        show(seen.page, f"{address}/episodes?episode={episode}")
        nothing_happened(seen, address, canary)
        shown = visible_lines(seen.page.evaluate(TEXT))
        wanted = {name: text for name, text in wanted.items() if text not in shown}
        if not wanted and number >= 1:
            break
    assert wanted == {}


def test_the_raw_record_is_text(address: str, run: Path, seen: Watched, canary: Canary) -> None:
    first = next(iter(latest_episodes(run)))
    show(seen.page, f"{address}/episodes?episode={first}&raw=true")
    assert seen.page.locator("[data-testid=stCode]").count() == 1
    nothing_happened(seen, address, canary)


def test_an_address_made_by_somebody_else_shows_its_values_as_text(address: str, seen: Watched, canary: Canary) -> None:
    image = f"<img src={canary.url}/a onerror=window.pwned=1> ![x]({canary.url}/b)"
    for page in ("episodes", "compare", "matrix", ""):
        seen.page.goto(
            f"{address}/{page}?episode={image}&run={image}&search={image}&a={image}&left={image}&environment=../../x"
        )
        settle(seen.page)
        nothing_happened(seen, address, canary)


def test_two_hostile_episodes_beside_each_other(address: str, seen: Watched, canary: Canary) -> None:
    show(seen.page, f"{address}/compare")
    link = seen.page.locator("[data-testid=stMain] table a[href*='left=']").first
    seen.page.goto(urljoin(seen.page.url, link.get_attribute("href") or ""))
    settle(seen.page)
    nothing_happened(seen, address, canary)
    assert "Episode A alone" in seen.page.evaluate(TEXT)
