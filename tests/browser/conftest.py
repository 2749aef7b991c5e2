"""One browser for all tests of this folder, a fresh page for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.browsing import LAPTOP, Canary, Watched, open_browser, watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Closed before other folders' tests begin: while Playwright runs, no other event loop can in this process."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def seen(browser: Browser) -> Iterator[Watched]:
    """A page of laptop size in a context of its own, watched."""
    context = browser.new_context(viewport=LAPTOP, accept_downloads=True)
    context.set_default_timeout(120_000)
    yield watch(context.new_page())
    context.close()


@pytest.fixture(scope="package")
def canary() -> Iterator[Canary]:
    """The address that nobody may ask."""
    with Canary() as listening:
        yield listening
