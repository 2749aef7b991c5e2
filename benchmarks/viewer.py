"""How soon the viewer shows a run of 100,000 episodes, beside the same pages over a run of 200, in the same browser.

    python -m benchmarks.viewer                            (some 3 GB, deleted afterwards)
    python -m benchmarks.viewer --episodes 10000 --keep FOLDER

First contentful paint is the browser's own figure (Performance API); `drawn` is when the page stands there; `CPU` is what the
viewer's process took from the request to that (Linux only), which other work on the machine hardly changes. Needs Chromium
(`make browser`).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.leaderboard import write_many
from harness.results.index import index_paths
from tests.browser.browsing import LAPTOP, open_browser
from tests.browser.viewing import show, viewer_process

SMALL = 200
READ_AHEAD_S = 5.0
"""Time between the viewer's start and a reader who is not in a hurry."""
LONGEST_MS = 600_000
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


def measure(browser: Browser, folder: Path) -> dict[str, float]:
    """Seconds: the viewer's first start without an index, a second look at the running viewer, a second start."""
    for path in index_paths(folder):
        path.unlink(missing_ok=True)
    found: dict[str, float] = {}
    with viewer_process(folder) as (address, process):
        found |= look(browser, address, process, "no index")
        found |= look(browser, address, process, "second look")
        found |= look(browser, f"{address}/episodes", process, "page of episodes")
    with viewer_process(folder) as (address, process):
        found |= look(browser, address, process, "with index")
    with viewer_process(folder) as (address, process):
        time.sleep(READ_AHEAD_S)
        found |= look(browser, address, process, "with index, opened a little later")
    return found


def look(browser: Browser, address: str, process: int, name: str) -> dict[str, float]:
    context = browser.new_context(viewport=LAPTOP)
    page = context.new_page()
    began, spent = time.perf_counter(), cpu_seconds(process)
    show(page, address, LONGEST_MS)
    drawn, spent = time.perf_counter() - began, cpu_seconds(process) - spent
    paint = float(page.evaluate(PAINT))
    context.close()
    return {f"{name}, first contentful paint": paint, f"{name}, drawn": drawn, f"{name}, CPU": spent}


def cpu_seconds(process: int) -> float:
    """Seconds of CPU that a process has taken so far."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="make the run there (or take the one there), and leave it"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        many, small = arguments.keep or Path(name) / "many", Path(name) / "small"
        if not many.exists():
            write_many(many, arguments.episodes)
        write_many(small, SMALL)
        with open_browser() as browser:
            beside = measure(browser, small)
            figures = measure(browser, many)
    print(f"viewer: {arguments.episodes} episodes, beside {SMALL}")
    for what, seconds in figures.items():
        print(f"  {what:42s} {seconds:8.2f} s   {beside[what]:6.2f} s   {seconds / beside[what]:5.1f} ×")


if __name__ == "__main__":
    main()
