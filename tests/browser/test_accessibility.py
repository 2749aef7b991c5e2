"""axe-core finds nothing serious or critical on the pages we write, in light and in dark, and on the viewer's first pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from leaderboard.board import open_board
from leaderboard.page import write_page
from leaderboard.page.transcripts import write_transcripts
from tests.browser.accessible import findings
from tests.browser.browsing import LAPTOP, Canary
from tests.browser.hostile import hostile_run
from tests.browser.viewing import settle, viewer
from tests.shared_data import DEMO, THREE_ENVIRONMENTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NOT_OURS: tuple[tuple[str, str], ...] = ()
"""Findings in Streamlit's own shell (rule, part of the selector), each with its reason: none is known."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Path:
    """The pages of the committed runs, and the transcripts of a run with hostile names."""
    place = tmp_path_factory.mktemp("accessible")
    for run in (DEMO, THREE_ENVIRONMENTS):
        write_page(open_board([run]), place / run.name)
    write_transcripts(open_board([hostile_run(place / "run", canary.url)]), place)
    return place


@pytest.mark.parametrize("scheme", SCHEMES)
def test_static_pages_have_no_serious_finding(folder: Path, browser: Browser, scheme: Literal["light", "dark"]) -> None:
    transcript = next(path for path in sorted((folder / "transcripts").glob("*.html")) if path.name != "index.html")
    pages = [folder / run.name / "index.html" for run in (DEMO, THREE_ENVIRONMENTS)]
    for page in (*pages, folder / "transcripts" / "index.html", transcript):
        assert _opened(browser, page.as_uri(), scheme) == [], page


def test_the_viewers_first_pages_have_no_serious_finding(browser: Browser) -> None:
    with viewer(DEMO) as address:
        for page, scheme in (("", SCHEMES[0]), ("", SCHEMES[1]), ("matrix", SCHEMES[1])):
            assert _opened(browser, f"{address}/{page}", scheme, settled=True) == [], f"{page} {scheme}"


def test_the_checker_finds_what_cannot_be_read(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(
        '<html lang="en"><title>t</title><main><h1 style="color:#ccc;background:#fff">pale</h1></main></html>'
    )
    assert [line.split(" at ")[0] for line in findings(page)] == ["color-contrast"]
    page.close()


def _opened(browser: Browser, address: str, scheme: Literal["light", "dark"], settled: bool = False) -> list[str]:
    context = browser.new_context(viewport=LAPTOP, color_scheme=scheme)
    page: Page = context.new_page()
    page.goto(address)
    if settled:
        settle(page)
    found = findings(page, NOT_OURS)
    context.close()
    return found
