"""`make pictures`: the ranking in results/README.md and the pictures under docs/images, from results/demo. It has no
judgements: the page of judges is that of results/three-environments.

Pictures are taken in headless Chromium at 2× and kept as PNGs of 256 colours, so that each stays small.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Page

from leaderboard.app.arms import arm_labels
from leaderboard.board import Board, leaderboard, open_board, plain_rows
from leaderboard.page import write_page
from leaderboard.ranking_columns import column
from tests.browser.browsing import open_browser
from tests.browser.viewing import show, viewer

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "results" / "demo"
JUDGED = ROOT / "results" / "three-environments"
IMAGES = ROOT / "docs" / "images"
README = ROOT / "results" / "README.md"
BEGIN, END = "<!-- ranking of results/demo, written by `make pictures` -->", "<!-- end of ranking -->"
MOST_BYTES = 200_000
COLUMNS = ("environment", "strategist", "actor", "rank", "goal", "interval", "scored", "tokens")
"""Columns of its table."""


def readme_table(board: Board) -> str:
    """The ranking as a Markdown table."""
    rows = plain_rows(leaderboard(board))
    columns = [column(key, rows) for key in COLUMNS]
    lines = ["| " + " | ".join(each.heading for each in columns) + " |", "|---|---|---|---|--:|--:|--:|--:|"]
    lines += ["| " + " | ".join(each.text(row) for each in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def with_table(readme: str, table: str) -> str:
    """The page with the table between its two marks."""
    before, mark, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise SystemExit(f"{README} has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{table}{END}{after}"


def save(picture: bytes, name: str) -> None:
    """Write docs/images/NAME.png with 256 colours. Raises `SystemExit` for one that is too large."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.png"
    whole = Image.open(io.BytesIO(picture)).convert("RGB")
    # the median cut would give small marks the colour of their neighbours
    image = whole.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {image.width} × {image.height}, {size / 1000:.0f} kB")
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size} bytes; at most {MOST_BYTES} are wanted")


def new_page(browser: Browser, width: int, height: int, scheme: Literal["light", "dark"] = "light") -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=1.5, color_scheme=scheme
    )
    return context.new_page()


def static_page(browser: Browser, board: Board) -> None:
    """The page of `harness leaderboard --html`: its answer, which README shows, and how it begins on a screen and on a phone."""
    with tempfile.TemporaryDirectory() as folder:
        address = write_page(board, Path(folder)).as_uri()
        page = new_page(browser, 1100, 945)
        page.goto(address)
        save(page.screenshot(), "answer")
        page = new_page(browser, 1100, 1000)
        page.goto(address)
        save(page.screenshot(), "page")
        page = new_page(browser, 375, 740, "dark")
        page.goto(address + "#uplift")
        save(page.screenshot(), "page-phone")


def viewer_pages(browser: Browser, run: Path, views: Mapping[str, tuple[Any, ...]], **chosen: str) -> None:
    """Pages of `harness viewer` over a copy of the run. `chosen`: what stands in the places of their addresses."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(run, Path(folder) / run.name))
        with viewer(copy) as address:
            for name, (where, *kind) in views.items():
                page = new_page(browser, *kind)
                show(page, f"{address}/{where.format(**chosen)}")
                page.wait_for_timeout(1000)  # charts are animated
                save(page.screenshot(), name)
                page.context.close()


VIEWS: dict[str, tuple[Any, ...]] = {
    "leaderboard": ("leaderboard", 1440, 900),
    "leaderboard-phone": ("leaderboard", 375, 740, "dark"),
    "matrix": ("matrix", 1280, 800),
    "compare": ("compare?b={arm}", 1280, 800),
    "episode": ("episodes?episode={episode}", 1280, 900),
    "episode-dark": ("episodes?episode={episode}", 1280, 900, "dark"),
    "cost": ("cost", 1280, 800),
}
"""Picture -> address in the viewer, width, height, light or dark."""
JUDGES = {"judges": ("judges", 1280, 800)}


def telling_episode(board: Board) -> str:
    """The longest game that the actor won with strategies of the trained model."""
    table = board.episodes.astype({"strategist": str})
    here = table.query("strategist == 'epo-rl' and goal == 1")
    return str(here.sort_values("n_turns", ascending=False, kind="stable")["episode_id"].iloc[0])


def trained_arm(board: Board) -> str:
    """The name of the trained strategist's arm, as an address carries it."""
    return quote(next(label for label in arm_labels(board) if label.startswith("epo-rl + ")))


def main() -> int:
    board = open_board([DEMO])
    README.write_text(with_table(README.read_text(), readme_table(board)))
    with open_browser() as browser:
        static_page(browser, board)
        viewer_pages(browser, DEMO, VIEWS, episode=telling_episode(board), arm=trained_arm(board))
        viewer_pages(browser, JUDGED, JUDGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
