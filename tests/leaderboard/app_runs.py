"""A run for the tests of the viewer, really played with models that are Python functions: three strategists, two
pairings, a judge whose scores differ, process rewards and some failures. And a way to open one page of it."""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from agents.models.base import ChatRequest
from harness.base.errors import EpisodeError
from harness.base.seeds import seed_from
from harness.experiment.experiment import Experiment
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import act, advise, evaluation
from tests.shared_data import missing

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

NASTY = "<img src=x onerror=alert(1)> **bold** $x^2$ ![i](http://nowhere.invalid/i.png)"


def play_a_role(request: ChatRequest) -> str:
    """Every role of the experiment."""
    who = request.identity
    luck = seed_from("luck", who.episode, who.seat, who.ordinal, request.messages[-1].content)
    text = request.messages[0].content + request.messages[-1].content
    if '"critical"' in text:
        return json.dumps({"critical": [{"reason": f"it opened the way {NASTY}", "strategy": 1}]})
    if who.role == "judge":
        answer = evaluation(goal=luck % 9, believability=8)
        answer["agent_2"]["goal"]["score"] = luck // 9 % 9
        return json.dumps(answer)
    if who.role == "strategist":
        return advise(request) + f" {NASTY}"
    if luck % 40 == 0 and who.ordinal == 1:
        raise EpisodeError("model", "no answer")
    line = f"line {who.ordinal} of seat {who.seat} {NASTY}"
    return act("speak", line, thought="a thought" if '"thought"' in text else None)


def judge_otherwise(request: ChatRequest) -> str:
    """A judge of its own mind."""
    answer = json.loads(play_a_role(request))
    for each in answer.values():
        each["goal"]["score"] = min(10, each["goal"]["score"] + 2)
    return json.dumps(answer)


def small() -> Experiment:
    model = {"provider": "scripted", "function": "tests.leaderboard.app_runs:play_a_role"}
    other = {"provider": "scripted", "function": "tests.leaderboard.app_runs:judge_otherwise"}
    raw: dict[str, Any] = {
        "name": "small",
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 12, "options": {"max_turns": 4}}],
        "models": {"m": model, "n": model, "other": other},
        "actors": ["m"],
        "strategists": ["vanilla", "react", {"kind": "epo", "model": "m"}, {"kind": "epo-rl", "model": "m"}],
        "pairings": ["self-play", {"actor": "same", "strategist": "react", "orders": "both"}],
        "judge": ["n", "other"],
        "process": [{"method": "critical", "model": "n"}],
    }
    return Experiment.model_validate(raw)


def play(folder: Path) -> Path:
    """The run, played into `folder`."""
    with Run(small(), folder) as run:
        execute(run, Progress(Console(file=io.StringIO())))
    return folder


def open_page(page: str, *paths: Path, **query: str | list[str]) -> Any:
    """A page of the viewer over these folders, as `harness viewer` would show it at that address."""
    app = page_of(page, paths, query)
    app.run()
    assert not app.exception, [error.message for error in app.exception]
    return app


@functools.cache
def look_for_components_once() -> None:
    """Streamlit's test runner reads the metadata of every installed package for every page, which takes longer than the
    page; what is installed does not change."""
    from streamlit.components.v2 import manifest_scanner

    manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


def page_of(page: str, paths: tuple[Path, ...], query: Mapping[str, str | list[str]]) -> AppTest:
    """The page, not run yet."""
    try:
        from streamlit.testing.v1 import AppTest
    except ImportError:
        missing("the viewer's tests need streamlit: pip install -e '.[viewer]'")
    look_for_components_once()
    script = (
        f"import sys\nsys.argv = {['main.py', *map(str, paths)]!r}\n"
        f"from leaderboard.app.views import {page}\n{page}.render()\n"
    )
    app = AppTest.from_string(script, default_timeout=300)
    for name, value in query.items():
        app.query_params[name] = value
    return app


def pieces(app: Any) -> list[str]:
    """The HTML the page shows, style sheet left out."""
    return [part.proto.body for part in app.get("html") if not part.proto.body.startswith("<style>")]


def shown(app: Any) -> str:
    return "\n".join(pieces(app))


def words(app: Any) -> str:
    """What a person reads of the page's own elements."""
    import html

    return html.unescape(re.sub(r"<[^>]*>", " ", shown(app)))


def rows(app: Any, key: str) -> list[list[str]]:
    """The cells' texts of every table of that class, row by row, as a person reads them."""
    return [list(row.values()) for row in labelled_rows(app, key)]


def labelled_rows(app: Any, key: str) -> list[dict[str, str]]:
    """`rows`, each cell under its heading."""
    from xml.etree import ElementTree

    found = []
    for part in pieces(app):
        tree = ElementTree.fromstring(part.replace("<br>", " "))
        for frame in tree.iter("div"):
            if key in (frame.get("class") or "").split():
                for row in frame.iter("tr"):
                    cells = row.findall("td")
                    if cells:
                        texts = {cell.get("data-label", ""): " ".join(cell.itertext()).strip() for cell in cells}
                        assert len(texts) == len(cells), "two columns have one heading"
                        found.append(texts)
    return found
