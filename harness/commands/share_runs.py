"""The work of `harness share`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.base.safe_files import new_folder, tidy_when_ended
from harness.commands.containing import without_damaged
from harness.commands.verify_run import verified
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, PROCESS_REWARDS
from harness.results.tables import check_judge, find_runs
from harness.results.targets import folder_target
from harness.runs.verify.report import as_json
from leaderboard.board import open_board
from leaderboard.page import is_page, render
from leaderboard.page.badge import badge
from leaderboard.page.markup import Content, node
from leaderboard.page.transcripts import FOLDER, file_part, write_transcripts

RECORDS = (MANIFEST, EPISODES, JUDGEMENTS, PROCESS_REWARDS)
RUNS = "runs"


def share_runs(paths: Sequence[Path], out: Path, judge: str | None, records: bool) -> int:
    """Verify the runs, and write them as pages. Raises `BadInput`."""
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
        (folder / "index.html").write_text(render(board, beside=_beside(told, places)), encoding="utf-8")
        count = write_transcripts(board, folder)
    for name, found in told.items():
        print(f"{name}: {found['verdict']}")
    print(f"{out / 'index.html'}: {len(board.names)} run{'s' * (len(board.names) != 1)}, {count:,} transcripts")
    every = [check for found in told.values() for check in found["checks"].values()]
    if any(check["different"] for check in every):
        return 1
    return 4 if any(check["unchecked"] for check in every) else code


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
        parts.append(node("p", node("a", drawn, href=f"{places[name]}/verified.json")))
    return parts
