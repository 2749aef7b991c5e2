"""The command blocks of the other pages are followed as they stand, in the order of the page, in an empty folder beside the
committed runs. Servers on this machine stand in for paid endpoints. A block that cannot run here says why."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.experiment.experiment import Experiment
from tests.documents import PROGRAM as OURS
from tests.documents import Block, blocks, words
from tests.e2e.test_readme import answer
from tests.harness.test_documented_commands import as_typed
from tests.harness.test_play import WON
from tests.servers.openai_server import OpenAIServer, schema_of
from tests.servers.roles import answer_to
from tests.shared_data import DEMO, ROOT, THREE_ENVIRONMENTS, missing

PROGRAM = Path(sys.executable).with_name("harness")
LONGEST_S = 300.0
SHELL = {"", "bash", "indented"}
"""Languages of the blocks that hold commands; the others are files, outputs and examples of Python."""
NOT_RUN = {
    "harness check --baseline results/baselines/gate.json --candidate results/gate": "a run of `make gate`, which a real "
    "model plays; tests/e2e/test_gate.py",
    "harness judge results/judges --judge smollm2 --again 1 --copies all --max-tokens 900 --answer-chars 20": "a real model, "
    "for minutes; tests/harness/judging/test_report.py has the same report of scripted judges",
    "harness judge results/judges --process critical --judge smollm2 --environment alfworld --max-tokens 500 --answer-chars 30 "
    "--option observation_chars=50 --option outcome=shown": "the same",
    "harness play alfworld --split valid_unseen --task ID --strategist openai:gpt-5-mini": "ALFWorld's published games, and a "
    "paid model; tests/harness/test_play.py has a strategist",
    "harness models convert": "a model from the package index; tests/agents/models/test_weights.py",
    "harness models convert my.gguf --out DIR": "the same",
    "harness models convert ADAPTER --out my.gguf": "a trained adapter; tests/agents/models has one",
    "python -m venv ~/vllm": "vLLM; it needs a GPU or `make vllm`",
    "vllm serve Qwen/Qwen3-8B --reasoning-parser qwen3": "vLLM and a GPU",
    "llama-server -m qwen3.gguf --jinja --reasoning-format deepseek": "a program that is not ours, and a large model",
    "harness train recipes/epo-sotopia.yaml --set begin_with=rl_data.json": "a GPU and the authors' data; "
    "tests/harness/training/test_begin_with.py",
    "harness train recipes/two-models/learn.yaml --name mine --seeds 3": "hours; tests/harness/training/test_train_seeds.py",
    "harness compare 'results/mine-seed1/held-out/mine-seed1@0#strategist=epo' results/mine-seed1/held-out/mine-seed1@1 "
    "--trainings results/mine-seed2/held-out/mine-seed2@1 results/mine-seed3/held-out/mine-seed3@1": "the trainings before it; "
    "tests/harness/test_pooled_trainings.py",
    "pip install -c constraints.txt -e '.[viewer]'": "an install; `make` does it for every test",
    "export PYTHONPATH=.": "of the shell that follows the page; here the checkout is on the path",
}
"""Commands that are only parsed -> what they need, and what tries them instead."""
SHORTER = {"harness run results/three-environments --name played-again": "--dry-run"}
"""Command that plays a real model for an hour -> what is added to it here."""
EXITS = {
    "harness check --baseline results/baselines/main.json --candidate results/candidate --max-drop 0.1 --anytime": {3},
    "harness play webshop --tasks 5": {4},
    "harness play sotopia --partner http://127.0.0.1:8000/v1#NAME": {4},
}
"""Exit codes but 0: 3 is too few episodes to tell, 4 a game that the person gave up."""
TYPED = {"harness play alfworld": [*WON, "/stop"]}
"""Words typed at `harness play`; in the other games the test gives up."""


@dataclass
class Desk:
    """A folder in which a page is followed."""

    folder: Path
    url: str
    filled: dict[str, str] = field(default_factory=dict)
    """Replacements for the names on a page, such as RUN."""

    @property
    def environment(self) -> dict[str, str]:
        mine = {"HOME": str(self.folder), "STRATEGIST_HARNESS_HOME": str(self.folder / "home")}
        paid = {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "a-key-for-nobody"}
        return os.environ | mine | paid | {"PYTHONPATH": str(ROOT)}

    def run(self, line: str) -> str:
        """Run a command, and return what it printed."""
        typed = as_typed(line)
        for name, value in self.filled.items():
            typed = typed.replace(name, value)
        command = [str(PROGRAM), *words(f"{typed} {SHORTER.get(line, '')}")]
        if re.match(r"harness (viewer|labels page)\b", typed):
            return self.look(command)
        lines = TYPED.get(line, ["/give-up"] * 8)
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, input="\n".join([*lines, ""]), capture_output=True, text=True,
            timeout=LONGEST_S, check=False,
        )  # fmt: skip
        assert done.returncode in EXITS.get(line, {0}) and "Traceback" not in done.stderr, (
            f"{typed}: exit code {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-2500:]}"
        )
        return done.stdout

    def look(self, command: list[str]) -> str:
        """Start a server, open the address that it prints, and end it as Ctrl-C does."""
        log = self.folder / "server.log"
        with log.open("w") as said:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=said, stderr=said)
        try:
            until = time.monotonic() + LONGEST_S
            while time.monotonic() < until and process.poll() is None:
                found = re.search(r"http://[\w.:]+\S*", log.read_text())
                if found and opens(found[0]):
                    return log.read_text()
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(LONGEST_S)
        raise AssertionError(f"{command} served nothing\n{log.read_text()}")


def opens(address: str) -> bool:
    """True if a page is served at the address. The name of another machine is looked up on this one."""
    host, port = re.findall(r"//([\w.]+):(\d+)", address)[0]
    request = urllib.request.Request(address.replace(host, "127.0.0.1"), headers={"Host": f"{host}:{port}"})
    try:
        return bool(urllib.request.urlopen(request, timeout=5).status == 200)
    except (OSError, urllib.error.URLError):
        return False


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def printed_as_shown(shown: Sequence[str], printed: str) -> bool:
    """True if the output on the page is what the command prints. Line breaks may differ, and `…` stands for any text."""
    text = " ".join(printed.split())
    parts = [" ".join(part.split()) for part in "\n".join(shown).split("…")]
    return all(part in text for part in parts)


@dataclass(frozen=True)
class Page:
    name: str
    prepare: Callable[[Desk], None]
    before: dict[str, Callable[[Desk], None]] = field(default_factory=dict)
    """Beginning of a command -> what the reader has done before it."""
    runs: int = 1
    """Commands that have to be executed, at least."""

    @property
    def blocks(self) -> list[Block]:
        text = (ROOT / "docs" / f"{self.name}.md").read_text("utf-8")
        return [block for block in blocks(text) if block.language in SHELL]


def commands(block: Block) -> list[str]:
    """The commands of a block. One with prompts holds their output, too."""
    lines = block.commands()
    if any(line.startswith("$ ") for line in block.lines):
        return [line for line, raw in zip(lines, [each for each in block.lines if each.strip()], strict=True)
                if raw.startswith("$ ")]  # fmt: skip
    return [" ".join(line.split()) for line in lines]


def speaks(body: dict[str, Any]) -> str:
    """A model's answer; in SOTOPIA its characters speak, so that there are lines to judge."""
    return answer_to(body) if "action_type" in json.dumps(schema_of(body)) else answer(body)


# What each page takes for granted.


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))


def page_file(page: str, name: str) -> str:
    """A file that another page shows."""
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    (found,) = (block.text for block in blocks(text) if block.lines[0] == f"# {name}")
    return found


def configs(page: str) -> list[dict[str, Any]]:
    """The pieces of YAML that a page shows, without GitHub's."""
    shown = [block for block in blocks((ROOT / "docs" / f"{page}.md").read_text("utf-8")) if block.language == "yaml"]
    pieces = [yaml.safe_load(block.text) for block in shown]
    return [piece for piece in pieces if isinstance(piece, dict)]


def for_sharing(desk: Desk) -> None:
    """The author's run, whose parts lie in files of another folder."""
    for name in ("coach.py", "riddle.py", "rubric.py", "canned.py", "parts.yaml"):
        write(desk.folder / "parts" / name, page_file("author", name))
    desk.run("harness run parts/parts.yaml --name with-parts")
    desk.filled = {"results/RUN": "results/with-parts", "FOLDER": "parts"}


def for_ci(desk: Desk) -> None:
    """The gate's experiment, and three runs for a baseline."""
    write(desk.folder / "experiment.yaml", page_file("gate", "gate.yaml"))
    for seed in range(3):
        desk.run(f"harness run experiment.yaml --name base-{seed} --set seed={seed}")


def for_judging(desk: Desk) -> None:
    """A run with a judge, and another judge in its config."""
    model = {"provider": "openai", "base_url": desk.url, "price": {"prompt": 0, "completion": 0}}
    experiment = {
        "name": "mine",
        "environments": [
            {"name": "sotopia", "split": "builtin-test", "tasks": 8, "options": {"max_turns": 2}},
            {"name": "webshop", "split": "builtin-test", "tasks": 2, "options": {"max_steps": 2}},
        ],
        "models": {name: model | {"model": name} for name in ("player", "first-judge", "second-judge")},
        "actors": ["player"],
        "strategists": ["vanilla", {"kind": "epo", "model": "player"}],
        "judge": "first-judge",
    }
    write(desk.folder / "mine.yaml", experiment)
    desk.run("harness run mine.yaml --name mine")
    desk.filled = {"RUN": "results/mine", "MODEL": "first-judge", "OTHER": "second-judge"}
    (desk.folder / "examples").symlink_to(ROOT / "examples")


def people_score(desk: Desk) -> None:
    """Fill in the table of labels: 0 is in the range of every dimension."""
    path = desk.folder / "labels.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows({**row, "value": "0"} for row in rows)


def for_viewer(desk: Desk) -> None:
    """Runs in two folders. The port may be in use."""
    shutil.copytree(THREE_ENVIRONMENTS, desk.folder / "other" / "results" / "three-environments")
    with (DEMO / "episodes.jsonl").open() as file:
        episode = json.loads(next(file))["episode_id"]
    names = {"results/RUN": "results/demo", "RUN": "results/demo", "EPISODE": episode}
    desk.filled = {**names, "8600": str(free_port())}


def for_play(desk: Desk) -> None:
    """A model behind an address, and a run of it on the games that a person is given."""
    model = {"provider": "openai", "model": "m", "base_url": desk.url, "price": {"prompt": 0, "completion": 0}}
    environments = [{"name": "alfworld", "split": "builtin-test", "tasks": 1}]
    experiment = {"name": "models", "environments": environments, "models": {"m": model}, "actors": ["m"]}
    write(desk.folder / "models.yaml", experiment | {"strategists": ["vanilla"]})
    desk.run("harness run models.yaml --name models")
    desk.filled = {"http://127.0.0.1:8000/v1#NAME": f"{desk.url}#m"}


def name_my_game(desk: Desk) -> None:
    """The page's name of the person's run is an example."""
    (run,) = (desk.folder / "results").glob("play-alfworld-*")
    desk.filled["play-alfworld-ab12cd34"] = run.name


def for_selfplay(desk: Desk) -> None:
    """Plan the training that the page's config describes, and the same by GRPO."""
    config, grpo, *_ = configs("selfplay")
    for name, content in {"mine": config, "grpo": {**config, **grpo, "fit": config["fit"] | grpo["fit"]}}.items():
        write(desk.folder / f"{name}.yaml", content)
        assert "held-out-3" in desk.run(f"harness train {name}.yaml --dry-run")


def nothing(desk: Desk) -> None:
    pass


PAGES = [
    Page("sharing", for_sharing, runs=3),
    Page("ci", for_ci, runs=7),
    Page("judging", for_judging, {"harness labels import": people_score}, runs=17),
    Page("viewer", for_viewer, runs=7),
    Page("play", for_play, {"harness show": name_my_game}, runs=6),
    Page("selfplay", for_selfplay, runs=0),
    Page("serving", nothing, runs=0),
]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    if not PROGRAM.is_file():
        missing(f"the program is not installed beside {sys.executable}")
    shutil.copytree(ROOT / "results", tmp_path / "results", ignore=shutil.ignore_patterns("*.index"))
    for name in ("experiments", "recipes"):
        (tmp_path / name).symlink_to(ROOT / name)
    with OpenAIServer(handler=speaks) as server:
        yield Desk(tmp_path, server.url)


SLOW = {"sharing", "judging", "ci"}


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] * (page.name in SLOW), id=page.name) for page in PAGES]
)
def test_the_commands_of_a_page_work_as_it_shows_them(page: Page, desk: Desk) -> None:
    page.prepare(desk)
    executed = 0
    for block in page.blocks:
        for line in commands(block):
            if line in NOT_RUN:
                continue
            for start, done_before in page.before.items():
                if line.startswith(start):
                    done_before(desk)
            printed = desk.run(line)
            executed += 1
            shown = [each for each in block.lines if not each.startswith("$ ")]
            if len(shown) < len(block.lines):
                assert printed_as_shown(shown, printed), f"{line} does not print what the page shows\n{printed}"
    assert executed >= page.runs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_executed_or_says_why_not(page: Page) -> None:
    lines = [line for block in page.blocks for line in commands(block)]
    assert lines and [line for line in lines if line not in NOT_RUN and not OURS.match(line)] == []


def test_what_is_not_run_is_on_a_page() -> None:
    lines = {line for page in PAGES for block in page.blocks for line in commands(block)}
    assert sorted({*NOT_RUN, *SHORTER} - lines) == []


@pytest.mark.parametrize("page", ["judging", "reading", "serving"])
def test_an_experiment_takes_every_config_of_a_page(page: str) -> None:
    base = {"name": "mine", "environments": [{"name": "alfworld", "split": "builtin-test", "tasks": 1}],
            "actors": ["script:expert"], "strategists": ["vanilla"]}  # fmt: skip
    pieces = configs(page)
    assert pieces
    for piece in pieces:
        Experiment.model_validate(base | piece)


def test_an_output_that_the_program_does_not_print_would_be_seen() -> None:
    assert printed_as_shown(["one", "…", "two  three"], "one\nor two\nthree")
    assert not printed_as_shown(["one", "three"], "one\ntwo\nthree")
