"""A run that is being played, looked at: the page follows it without being asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.browsing import Watched
from tests.browser.viewing import exceptions, show, viewer
from tests.e2e.processes import Harness, endpoint, wait_until, write_config

pytestmark = pytest.mark.slow
PLAYING = re.compile(r"being played, (\d+) of 24 episodes")


def test_the_page_follows_a_run_and_says_when_it_is_over(tmp_path: Path, seen: Watched) -> None:
    with endpoint() as url:
        harness = Harness(write_config(tmp_path / "e.yaml", url, tasks=12), "live", slow_s=1.5)
        harness.results.mkdir()
        with viewer(harness.results) as address:
            show(seen.page, address)  # the server is warm before the run begins, or the run is over before it is seen
            process = harness.start()
            try:
                assert wait_until(lambda: harness.size() > 0, process)
                show(seen.page, address)
                notice = seen.page.get_by_text(PLAYING)
                notice.wait_for()
                first = told(notice.inner_text())
                seen.page.wait_for_function(
                    "done => { const said = document.body.innerText.match(/being played, (\\d+) of/);"
                    " return !said || Number(said[1]) > done }",
                    arg=first,
                )
                process.communicate(timeout=240)
                notice.wait_for(state="detached")
                assert "24 episodes" in seen.page.locator("[data-testid=stMain]").inner_text()
                assert exceptions(seen.page) == []
            finally:
                process.kill()
                process.wait()
    assert process.returncode == 0


def told(text: str) -> int:
    found = PLAYING.search(text)
    assert found is not None
    return int(found.group(1))
