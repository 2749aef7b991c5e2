"""Runs for the tests of `compare` and `check`: really played on the built-in SOTOPIA tasks, with an actor that says its
goal when its prompt tells it one, and a judge that scores what was said. A prompt that lost the goal lowers the score.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from agents.models.base import ChatRequest
from harness.base.errors import EpisodeError
from harness.base.seeds import seed_from
from harness.experiment.experiment import Experiment
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import act, config, evaluation

TASKS = 30
KNOWS = "stay on your goal"


def never(request: ChatRequest) -> bool:
    """No call fails."""
    return False


LEVERS: dict[str, Any] = {"noise": 0, "salt": 0, "bonus": {}, "fail": never}
"""What a test turns: points of judge noise, its salt, points per strategy's word, which calls fail."""


def reset() -> None:
    LEVERS.update(noise=0, salt=0, bonus={}, fail=never)


def play_a_role(request: ChatRequest) -> str:
    """Every role of the experiment."""
    if LEVERS["fail"](request):
        raise EpisodeError("infrastructure", "HTTP 503")
    if request.identity.role == "judge":
        return judge(request)
    if request.identity.role == "strategist":
        return "Strategy: offer something good"
    prompt = request.messages[0].content + request.messages[-1].content
    words = [KNOWS] if "goal" in request.messages[0].content.split("\n\n")[0] else ["mumble"]
    words += [word for word in LEVERS["bonus"] if word in prompt]
    return act("speak", " ".join(words))


def judge(request: ChatRequest) -> str:
    """6 points for a line that knows the goal, 2 without, the bonus of the words said, and some noise by task."""
    material = request.messages[0].content
    goal = 6 if KNOWS in material else 2
    goal += sum(points for word, points in LEVERS["bonus"].items() if word in material)
    if LEVERS["noise"]:
        span = 2 * LEVERS["noise"] + 1
        goal += seed_from("noise", LEVERS["salt"], material) % span - LEVERS["noise"]
    return json.dumps(evaluation(goal=max(0, min(10, goal))))


def small(**changes: Any) -> Experiment:
    environment = {"name": "sotopia", "split": "builtin-test", "tasks": TASKS, "options": {"max_turns": 2}}
    models = {"m": {"provider": "scripted", "function": "tests.harness.gate_runs:play_a_role"}}
    raw = {"environments": [environment], "models": models, "judge": "m", "name": "gate"}
    return Experiment.model_validate(config(**(raw | changes)))


def play(folder: Path, **changes: Any) -> Path:
    """A played run in `folder`."""
    with Run(small(**changes), folder) as run:
        execute(run, Progress(Console(file=io.StringIO())))
    return folder


_KEPT: dict[str, TemporaryDirectory[str]] = {}
"""Runs that this process has played: (experiment, levers, name) -> the folder with a copy."""


def played(folder: Path, **changes: Any) -> Path:
    """`play`, or a copy of what this process has played alike under that name before. For tests that change nothing but the
    experiment and the levers."""
    if LEVERS["fail"] is not never or folder.exists():
        return play(folder, **changes)
    levers = {name: value for name, value in LEVERS.items() if name != "fail"}
    alike = json.dumps([folder.name, small(**changes).model_dump(mode="json"), levers], sort_keys=True)
    if alike not in _KEPT:
        place = TemporaryDirectory()
        play(Path(place.name) / folder.name, **changes)
        _KEPT[alike] = place
    shutil.copytree(Path(_KEPT[alike].name) / folder.name, folder)
    return folder


def some_tasks(every: int) -> Callable[[ChatRequest], bool]:
    """Fails the actor's calls of one episode in `every`."""
    return lambda request: request.identity.role == "actor" and int(request.identity.episode, 16) % every == 0
