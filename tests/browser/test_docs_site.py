"""The built documentation in a real browser, opened from the disk: nothing is fetched, no page is wider than a phone, the search
finds. `make docs` builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.browsing import overflow, watch
from tests.shared_data import ROOT, missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SITE = ROOT / "build" / "site"
PAGES = ("index", "gate", "commands", "reference/commands", "reference/experiment", "reference/api-parts", "statistics")
WIDTHS = {"desk": 1440, "phone": 390}


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_the_site_works_from_the_disk(browser: Browser, width: int) -> None:
    if not (SITE / "index.html").is_file():
        missing("the documentation is not built; `make docs` builds it")
    context = browser.new_context(viewport={"width": width, "height": 850}, offline=True)
    try:
        for name in PAGES:
            seen = watch(context.new_page())
            seen.page.goto((SITE / f"{name}.html").as_uri())
            assert (seen.problems, seen.strangers(), overflow(seen.page)) == ([], [], 0), name
        seen.page.keyboard.press("/")
        seen.page.locator("input[name=query]").press_sequentially("baseline")
        seen.page.wait_for_selector(".md-search-result__item", state="attached")
        assert (seen.problems, seen.strangers()) == ([], [])
    finally:
        context.close()
