"""The page on which people label, in a real browser: answers are saved as they are given, and what agents wrote stays text."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from agents.models.base import ChatRequest
from harness.commands.labels_page import LabelServer
from harness.judging.labels.sampling import draw_sample
from harness.results.labels import read_labels
from tests.browser.browsing import Watched
from tests.harness.builders import act, config, play_or_judge
from tests.shared_data import ROOT

HOSTILE = "<img src=x onerror=document.title='owned'></script><script>document.title='owned'</script>"


def speak(request: ChatRequest) -> str:
    """Characters that speak HTML."""
    return act("speak", HOSTILE) if request.identity.role == "actor" else play_or_judge(request)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabelServer]:
    world = {"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 2}}
    model = {"provider": "scripted", "function": "tests.browser.test_labels_page:speak"}
    folder = tmp_path / "run"
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(config(models={"m": model}, judge="m", environments=[world])))
    # in a process of its own: while Playwright runs, no other event loop can in this one
    command = [sys.executable, "-m", "harness.cli", "run", str(file), "--results", str(tmp_path), "--name", "run"]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    with LabelServer(folder, draw_sample(folder, 2)) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_a_person_labels_goes_on_and_comes_back(seen: Watched, server: LabelServer) -> None:
    page = seen.page
    page.goto(server.address)
    assert page.title() == "Labels"
    assert HOSTILE in page.inner_text("#turns"), "what agents wrote is text"
    fields = page.locator("#questions input")
    assert fields.count() == 14, "seven dimensions for both characters"
    fields.first.fill("7")
    fields.first.blur()
    page.locator("#state", has_text="who you are").wait_for()
    assert read_labels(server.run) == []
    page.fill("#who", "ann")
    page.locator("#who").blur()
    page.locator("#questions input").first.fill("7")
    page.locator("#questions input").first.blur()
    page.locator("#state", has_text="Saved").wait_for()
    assert [(label.annotator, label.value) for label in read_labels(server.run)] == [("ann", 7.0)]
    page.locator("#questions input").nth(1).fill("99")
    page.locator("#questions input").nth(1).blur()
    page.locator("#state", has_text="outside").wait_for()
    page.click("#next")
    assert "Episode 2 of 2" in page.inner_text("#where")
    page.reload()
    assert page.input_value("#who") == "ann"
    assert page.locator("#questions input").first.input_value() == "7"
