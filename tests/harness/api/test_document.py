"""docs/api.md and docs/api.ipynb are followed as they stand: every block and cell is executed, every column is listed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import harness
from tests.documents import blocks
from tests.extras import required
from tests.servers.openai_server import OpenAIServer
from tests.servers.roles import answer_to
from tests.shared_data import DEMO, ROOT, THREE_ENVIRONMENTS

DOCUMENT, NOTEBOOK = ROOT / "docs" / "api.md", ROOT / "docs" / "api.ipynb"
SERVER = "http://localhost:8000/v1"
FAMILIES = {"NAME": r"\w+", "LABEL": r".+", "ROLE": "(actor|strategist|judge|process)"}
"""Placeholders in names of columns."""


@pytest.fixture
def beside_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with copies of the committed runs under `results`."""
    for run in (DEMO, THREE_ENVIRONMENTS):
        shutil.copytree(run, tmp_path / "results" / run.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_block_of_the_document_runs(beside_the_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [block for block in blocks(DOCUMENT.read_text("utf-8")) if block.language == "python"]
    assert len(told) >= 7
    names: dict[str, object] = {"__name__": "document"}
    with OpenAIServer(answer_to) as server:
        for block in told:
            text = block.text.replace(SERVER, server.url)
            exec(compile("\n" * (block.line - 1) + text, str(DOCUMENT), "exec"), names)
    said = capsys.readouterr().out
    assert "unknown key `stratagists`" in said and "epo-rl scores higher than vanilla" in said
    assert "8 of 8 planned episodes finished" in said or "4 of 4 planned episodes finished" in said


def listed(heading: str) -> list[str]:
    """Patterns of the columns that the document lists under a heading; of "Columns", those of several tables."""
    found = re.search(rf"^###? {heading}\n(.*?)(?=^### |\Z)", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found, heading
    rows = re.findall(r"^\| (`.*?`) \|", found[1], re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    for placeholder, pattern in FAMILIES.items():
        names = [name.replace(placeholder, pattern) for name in names]
    return names


def tables() -> dict[str, pd.DataFrame]:
    run = harness.open(THREE_ENVIRONMENTS)
    return {
        "Episodes": run.episodes(),
        "Turns": run.turns(),
        "Judgements": run.judgements(),
        "Ranking": run.ranking().to_frame(),
        "Comparisons": run.compare().to_frame(),
    }


def test_every_column_is_listed_and_every_listed_one_is_there() -> None:
    for heading, table in tables().items():
        own = listed(heading)
        unknown = [name for name in table.columns if not any(re.fullmatch(e, name) for e in [*own, *listed("Columns")])]
        absent = [each for each in own if not any(re.fullmatch(each, name) for name in table.columns)]
        assert (unknown, absent) == ([], []), heading


def execute(folder: Path, live: bool) -> str:
    """Execute the notebook beside copies of the committed runs and return what it prints. `live`: also the cells that ask a
    model."""
    nbformat, nbclient = required("nbformat"), required("nbclient")
    required("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if live or "live" not in cell.metadata.get("tags", [])]
    where = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(str(each.get("text") or each.get("data", {}).get("text/plain")) for each in outputs)


def test_the_notebook_goes_through_a_committed_run(beside_the_runs: Path) -> None:
    said = execute(beside_the_runs, live=False)
    assert "epo-rl scores higher than vanilla" in said
    assert "1,078 of 1,080 planned episodes finished" in said


@pytest.mark.slow
@pytest.mark.llamacpp
def test_the_notebook_plays_a_real_model(beside_the_runs: Path) -> None:
    said = execute(beside_the_runs, live=True)
    assert "of 24 planned episodes finished" in said and "24/24 episodes" in said
    assert len(list(beside_the_runs.glob("results/notebook-*/manifest.json"))) == 1
