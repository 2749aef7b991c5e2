"""The work of `harness share`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.invocation import installs
from harness.base.safe_files import new_folder, tidy_when_ended
from harness.commands.containing import without_damaged
from harness.commands.verify_run import verified
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, PROCESS_REWARDS
from harness.results.tables import check_judge, find_runs
from harness.results.targets import folder_target
from harness.runs.verify.report import as_json
from leaderboard.board import Board, open_board
from leaderboard.page import Bundle, Picture, is_page, render
from leaderboard.page.badge import badge
from leaderboard.page.card import FILE, HEIGHT, WIDTH, can_draw, card_of, drawn_card
from leaderboard.page.markup import Content, node
from leaderboard.page.transcripts import FOLDER, file_part, write_transcripts

RECORDS = (MANIFEST, EPISODES, JUDGEMENTS, PROCESS_REWARDS)
RUNS = "runs"


def share_runs(paths: Sequence[Path], out: Path, judge: str | None, records: bool, url: str | None = None) -> int:
    """Verify the runs, and write them as pages. `url`: the folder's address on the web. Raises `BadInput`."""
    base = _base(url)
    folder_target(out, "--out", lambda folder: (folder / "index.html").is_file() and is_page(folder / "index.html"))
    runs, code = without_damaged(find_runs(paths))
    if judge is not None:
        check_judge(runs, judge)
    board = open_board(runs, judge)
    with tidy_when_ended(), new_folder(out) as folder:
        told = {name: _verified(run) for name, run in board.names.items()}
        places = _places(board.names)
        for name, run in board.names.items():
            _write_run(folder / places[name], run, told[name], records)
        picture = _write_card(board, folder, base)
        transcripts = write_transcripts(board, folder)
        bundle = Bundle(places if records else {}, transcripts)
        page = render(board, beside=_beside(told, places), picture=picture, bundle=bundle)
        (folder / "index.html").write_text(page, encoding="utf-8")
    for name, found in told.items():
        print(f"{name}: {found['verdict']}")
    print(f"{out / 'index.html'}: {counted(len(board.names), 'run')}, {counted(len(transcripts), 'transcript')}")
    every = [check for found in told.values() for check in found["checks"].values()]
    if any(check["different"] for check in every):
        return 1
    return 4 if any(check["unchecked"] for check in every) else code


def _base(url: str | None) -> str:
    """The address that stands before a file's name; empty where none is known. Raises `BadInput`."""
    if url is None:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise BadInput(f"--url {url!r}: expected the folder's address, such as https://name.github.io/runs/")
    return url.removesuffix("index.html").rstrip("/") + "/"


def _write_card(board: Board, folder: Path, base: str) -> Picture | None:
    """Draw the title card; none where no run asks a question, or what draws it is not installed."""
    card = card_of(board)
    if card is None:
        return None
    if not can_draw():
        print(
            f"note: no title card for links to the page: Pillow is not installed ({installs('viewer')})",
            file=sys.stderr,
        )
        return None
    (folder / FILE).write_bytes(drawn_card(card))
    return Picture(base + FILE, WIDTH, HEIGHT)


def _places(names: Mapping[str, Path]) -> dict[str, str]:
    """Name of a run -> its folder in the bundle; no two runs get the same one, and an address needs nothing escaped."""
    found: dict[str, str] = {}
    for name, run in names.items():
        place = f"{RUNS}/{file_part(run.name)}"
        found[name] = place if place not in found.values() else f"{place}-{len(found) + 1}"
    return found


def _verified(run: Path) -> dict[str, Any]:
    found, checks = verified(run)
    return as_json(run, found, checks)


def _write_run(place: Path, run: Path, told: dict[str, Any], records: bool) -> None:
    place.mkdir(parents=True)
    (place / "verified.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (place / "badge.svg").write_text(badge(told), encoding="utf-8")
    for name in RECORDS if records else ():
        if (run / name).exists():
            shutil.copyfile(run / name, place / name)


def _beside(told: dict[str, dict[str, Any]], places: dict[str, str]) -> list[Content]:
    """Links below the page's title: the transcripts, and each run's badge."""
    parts: list[Content] = [node("p", node("a", "Every transcript", href=f"{FOLDER}/index.html"))]
    for name, found in told.items():
        drawn = node("img", src=f"{places[name]}/badge.svg", alt=f"{name}: {found['verdict']}", height=20)
        parts.append(node("p", node("a", drawn, href=f"{places[name]}/verified.json"), class_="badge"))
    left = dict.fromkeys(text for found in told.values() for text in found["not_confirmed"])
    parts.append(node("p", f"A badge cannot confirm {'; '.join(left)}.", class_="note"))
    return parts
