"""Tools of the cases in `test_every_advice`: a folder in which the real commands run, and the table of cases."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from environments.data import Source
from harness.cli import main
from harness.exchange import fetch
from tests.harness.data.server import FileServer

ADA = {"name": "Ada Moreno", "age": 34, "gender": "Woman"}
BO = {"name": "Bo Lind", "age": 51}
FENCE = {"id": "fence", "scenario": "At the fence.", "goal_1": "Buy", "goal_2": "Sell"}
OWN = [ADA, BO, FENCE]
EPISODE = {
    "pk": "e1",
    "environment": "fence",
    "agents": ["ada", "bo"],
    "models": ["judge", "one", "other"],
    "messages": [
        [["Environment", "Ada M", "Here is the context: Ada M"], ["Environment", "Bo L", "Here is the context: Bo L"]],
        [["Ada M", "Environment", 'said: "Hi"'], ["Bo L", "Environment", "did nothing"]],
        [["Ada M", "Environment", "did nothing"], ["Bo L", "Environment", "left the conversation"]],
    ],
    "rewards": [],
}
"""A dialogue as sotopia logs it."""
PLAYED = "tests.harness.builders:play_or_judge"


@dataclass
class Place:
    """A folder to work in, and the commands."""

    tmp: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    server: FileServer

    @property
    def given(self) -> Path:
        return made(self.tmp / "given files")

    def refused(self, *words: object) -> str:
        """All that a command that ends with 2 says."""
        return self._said(2, words)

    def done(self, *words: object) -> str:
        return self._said(0, words)

    def _said(self, code: int, words: tuple[object, ...]) -> str:
        found = main([str(word) for word in words])
        out = self.capsys.readouterr()
        assert found == code, out.out + out.err
        return out.out + out.err

    def own(self, *rows: object, name: str = "people.jsonl") -> Path:
        """A file of own records."""
        file = self.given / name
        file.write_text("".join(json.dumps(row) + "\n" for row in rows or OWN), encoding="utf-8")
        return file

    def import_own(self, *rows: object) -> tuple[object, ...]:
        return ("data", "import", self.own(*rows), "--name", "mine")

    def shop(self, products: int = 12) -> Path:
        """Files of products as they are published, under a name of their own."""
        folder = self.tmp / f"shop {products}"
        self.done("data", "generate", "webshop", "--n", products, "--out", folder)
        for path in folder.iterdir():
            path.rename(folder / re.sub(r"_builtin.*", "_tiny.json", path.name))
        return folder

    def games(self, n: int = 2) -> Path:
        """A folder of games that looks like a published split."""
        folder = self.tmp / "made games"
        self.done("data", "generate", "alfworld", "--n", n, "--out", folder)
        root = made(self.tmp / "published games")
        for path in sorted(folder.glob("*/*/*/game.tw-pddl")):
            shutil.copytree(path.parent, root / "train" / path.parent.parent.name / path.parent.name)
        return root

    def run(self, environment: str, split: str, **options: object) -> tuple[object, ...]:
        """The words of a forecast of a run on a split."""
        model: dict[str, Any] = {"models": {"m": {"provider": "scripted", "function": PLAYED}}, "judge": "m"}
        actor = {"actors": ["m"], **model} if environment == "sotopia" else {"actors": ["script:random"]}
        place = {"name": environment, "split": split, "tasks": 1, "options": options}
        raw = {"name": "x", "environments": [place], "strategists": ["vanilla"], "judge": None, **actor}
        (self.tmp / "x.yaml").write_text(yaml.safe_dump(raw))
        return ("run", self.tmp / "x.yaml", "--dry-run", "--results", self.tmp / "results")

    def serve(self, environment: str, name: str, content: bytes | None, digest: str | None = None) -> None:
        """Let the only source of an environment be a file of the test's server."""
        hooks = fetch.load_hooks(environment)
        source = Source(name, f"{self.server.url}/{name}", digest)
        kept = {key: getattr(hooks, key) for key in ("recognises", "import_from", "generate")}
        self.monkeypatch.setattr(fetch, "load_hooks", lambda env: type(hooks)(sources=(source,), **kept))
        if content is not None:
            self.server.files[f"/{name}"] = content


def made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    return folder


def command(message: str, **places: object) -> list[str]:
    """The words behind `harness` of the command in a message, its places filled in."""
    found = re.search(r"`harness (data [^`]+)`|harness (data import .+)$", message, re.M)
    assert found is not None, message
    return [str(places.get(word, word)) for word in shlex.split(found[1] or found[2])]


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


Follow = Callable[[Place], str]
"""Provoke a message, follow it, and return it."""
CASES: dict[str, Follow] = {}
"""A piece of a message, as the code has it -> the case that follows it."""


def follows(*pieces: str) -> Callable[[Follow], Follow]:
    def note(case: Follow) -> Follow:
        CASES.update(dict.fromkeys(pieces, case))
        return case

    return note
