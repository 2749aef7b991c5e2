"""The README is followed as it stands: its blocks are taken out of it, my.yaml is written as printed, and its commands are
run one after the other in an empty folder, by the installed program, against a server on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import main
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES
from tests.documents import section, spans, words
from tests.harness.export.test_episode_logs import as_log
from tests.harness.test_documented_commands import refusal
from tests.servers.openai_server import OpenAIServer, default_handler, schema_of
from tests.servers.roles import answer_to
from tests.shared_data import ROOT, missing

README, COMMANDS = ROOT / "README.md", ROOT / "docs" / "commands.md"
PROGRAM = Path(sys.executable).with_name("harness")
RESULTS = ROOT / "results" / "README.md"
LONGEST_S = 300.0
PARSED_ONLY = {
    "harness run my.yaml --executor ray --address HOST:6379": "needs a Ray cluster; tests/e2e/test_ray.py plays on one",
    "harness data fetch sotopia": "downloads from the network; tests/harness/data does from a server of its own",
    "harness train recipes/cpu-mini.yaml": "trains real weights for minutes; tests/e2e/test_train_demo.py does",
    "harness env serve alfworld --port 8000": "needs openenv, in an environment of its own; tests/harness/bridges does",
    "harness play alfworld": "asks a person; tests/harness/test_play.py drives it",
    "harness models fetch": "downloads a model; every test of llama.cpp does",
    "harness models convert": "downloads and converts a model; tests/agents/models/test_weights.py does",
    "source .venv/bin/activate": "of the shell that follows the README; here the program is called by its path",
}
"""Lines of the README that are not run here -> why, and where else they are. What is a command of ours is parsed."""
SMALLER = ("environments.0.tasks=2", "environments.0.options.max_turns=4")
"""my.yaml is played as printed but for its size and the port of its strategist's server."""
MORE = {"harness run my.yaml --workers 4": ("--name", "in-workers")}
"""A run of its own, because the one before has finished what there is."""
BESIDE = (
    "harness run my.yaml --max-tokens 1000000 --max-hours 1 --no-check",
    "harness leaderboard results/ --format csv",
    "harness export results/RUN --to hf-dataset --out dataset",
    "harness export results/RUN --to sharegpt --out sharegpt.json",
)
"""What the comments beside the lines name."""
EXITS = {
    "harness check --baseline BASE --candidate results/RUN": {0, 3},
    "harness check --baseline base.json --candidate results/candidate --max-drop 0.1 --junit check.xml": {0, 3},
}
"""Exit codes but 0: so few episodes may be too few to tell."""


def commands(heading: str, page: Path = README) -> list[str]:
    return [line for block in section(page, heading) if not block.language for line in block.commands()]


def every_command() -> list[str]:
    return commands("What can be done with it", COMMANDS)


def experiment(page: Path = COMMANDS, heading: str = "An experiment") -> str:
    (block,) = (block for block in section(page, heading) if block.language == "yaml")
    return block.text


def short_experiment() -> str:
    return experiment(README, "Your own experiment")


def test_what_start_says_are_targets_of_the_makefile() -> None:
    lines = [line for line in commands("Start") if line not in PARSED_ONLY]
    assert {"make run", "make test"} <= set(lines)
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for line in lines:
        program, target, *rest = line.split()
        assert (program, rest) == ("make", []) and target in targets, line


def test_the_readme_is_short_and_so_is_its_experiment() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 120
    lines = [line for line in short_experiment().splitlines() if not line.startswith("#")]
    assert len(lines) <= 10


@pytest.mark.parametrize("text", [experiment(), short_experiment()], ids=["commands", "readme"])
def test_the_experiment_has_a_price_for_every_model_and_a_judge_that_does_not_act(text: str) -> None:
    raw = yaml.safe_load(text)
    assert all(model["price"] for model in raw["models"].values())
    assert raw["judge"] not in raw["actors"]
    assert raw["models"][raw["judge"]]["model"] not in {raw["models"][actor]["model"] for actor in raw["actors"]}


def answer(body: dict[str, Any]) -> str:
    return default_handler(body) if schema_of(body) else answer_to(body)


class Reader:
    """Somebody who follows the README in an empty folder."""

    def __init__(self, folder: Path, url: str, written: str = "") -> None:
        self.folder, self.url = folder, url
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "STRATEGIST_HARNESS_HOME": str(folder / "home"),
            "OPENAI_BASE_URL": url,
            "OPENAI_API_KEY": "a-key-for-nobody",
        }
        (folder / "my.yaml").write_text(written or experiment())

    def follow(self, line: str) -> str:
        """Run a line as it is printed, its placeholders filled in. Says what is wrong with what came of it."""
        if line.startswith("harness viewer"):
            return self.look(line)
        done = subprocess.run(
            self.filled(line), cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=LONGEST_S, check=False,
        )  # fmt: skip
        if "Traceback" in done.stderr or done.returncode not in EXITS.get(line, {0}):
            return f"exit code {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
        return ""

    def filled(self, line: str) -> list[str]:
        command = [str(PROGRAM), *words(re.sub(r"\b[A-Z][A-Z_]*\b", lambda found: self.placeholder(found[0]), line))]
        if "my.yaml" in command:
            sets = (*SMALLER, f"models.strategist.base_url={self.url}")
            command += [*(part for value in sets for part in ("--set", value)), *MORE.get(line, ())]
        return command

    def placeholder(self, name: str) -> str:
        make = {
            "RUN": lambda: self.run().name,
            "EPISODE": lambda: self.episodes()[0]["episode_id"],
            "RUN_A": lambda: f"{shlex.quote(f'{self.run()}#strategist=vanilla,pairing=self-play')}",
            "RUN_B": lambda: f"{shlex.quote(f'{self.run()}#strategist=epo,pairing=self-play')}",
            "BASE": lambda: "results/in-workers",
            "MODEL": lambda: "judge",
            "LOGS": self.logs,
            "PATH": self.products,
        }
        return make[name]() if name in make else name

    def run(self) -> Path:
        """What the first of the README's runs made."""
        (found,) = (self.folder / "results").glob("my-first-*")
        return found

    def episodes(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run() / EPISODES).read_text("utf-8").splitlines()]

    def logs(self) -> str:
        """Dialogues of the run as sotopia would have logged them."""
        records = [EpisodeRecord.model_validate(row) for row in self.episodes()[:2]]
        path = self.folder / "logs.json"
        path.write_text(json.dumps([as_log(record, ["gpt-4", "gpt-4o", "gpt-4o"]) for record in records]))
        return path.name

    def products(self) -> str:
        """Data in a published format."""
        command = [str(PROGRAM), "data", "generate", "webshop", "--n", "20", "--out", "products"]
        subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, check=True)
        return "products"

    def look(self, line: str) -> str:
        """The viewer answers under the address it prints, until Ctrl-C."""
        with open(self.folder / "viewer.log", "w+") as log:
            process = subprocess.Popen(
                self.filled(line), cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                until = time.monotonic() + LONGEST_S
                while time.monotonic() < until and process.poll() is None:
                    if self.answers(Path(log.name).read_text()):
                        return ""
                    time.sleep(0.1)
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(LONGEST_S)
            return Path(log.name).read_text()

    @staticmethod
    def answers(said: str) -> bool:
        address = re.search(r"http://127\.0\.0\.1:\d+", said)
        try:
            return (
                address is not None and urllib.request.urlopen(f"{address[0]}/_stcore/health", timeout=2).status == 200
            )
        except OSError:
            return False


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    for module in ("streamlit", "plotly"):
        try:
            __import__(module)
        except ImportError:
            missing(f"the README's viewer needs {module}")
    if not PROGRAM.is_file():
        missing(f"the program is not installed beside {sys.executable}")
    with OpenAIServer(handler=answer) as server:
        yield Reader(tmp_path, server.url)


def test_every_line_of_your_own_experiment_works_on_it(reader: Reader) -> None:
    lines = every_command()
    assert len(lines) > 25
    wrong = {}
    for line in lines:
        problem = (refusal(line) if line.startswith("harness ") else "") if line in PARSED_ONLY else reader.follow(line)
        if problem:
            wrong[line] = problem
    wrong |= {line: problem for line in BESIDE if (problem := reader.follow(line))}
    assert not wrong, "\n\n".join(f"{line}\n{problem}" for line, problem in wrong.items())
    assert (reader.folder / "out" / "index.html").is_file() and (reader.folder / "episodes.csv").is_file()
    assert {"again", "in-workers", "imported"} <= {path.name for path in (reader.folder / "results").iterdir()}


def test_every_line_of_the_readme_works_on_its_own_experiment(reader: Reader) -> None:
    mine = Reader(reader.folder, reader.url, short_experiment())
    lines = [*commands("Your own experiment"), *commands("The gate in CI")]
    assert len(lines) == 13
    wrong = {line: problem for line in lines if (problem := mine.follow(line))}
    assert not wrong, "\n\n".join(f"{line}\n{problem}" for line, problem in wrong.items())
    assert (mine.folder / "site" / "index.html").is_file() and (mine.folder / "check.xml").is_file()


def test_what_is_tried_beside_the_lines_is_named_by_their_comments() -> None:
    text = "\n".join(block.text for block in section(COMMANDS, "What can be done with it"))
    flags = {flag for line in BESIDE for flag in re.findall(r"--[a-z-]+", line)} | {"hf-dataset", "sharegpt", "csv"}
    assert not [flag for flag in flags if flag not in text]


def test_the_lines_that_are_parsed_only_are_in_the_readme() -> None:
    assert set(PARSED_ONLY) <= {*commands("Start"), *every_command()}


def test_the_comparison_that_the_page_of_results_names_says_what_the_page_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (line,) = (span for span in spans(RESULTS.read_text("utf-8")) if "three-environments#" in span)
    with contextlib.chdir(ROOT):
        assert main(words(line)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "+0.300" in said and "+0.111" in said and "+0.500" in said
