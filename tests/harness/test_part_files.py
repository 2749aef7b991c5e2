"""Parts that live in one file beside the experiment: they are found and played, in workers too, change the run's identity with
their content, and are names only where the file is gone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.base import part_files
from harness.base.errors import BadInput
from harness.base.part_files import find_part, load_part
from harness.cli import main
from harness.compare.questions import uplift
from harness.experiment.experiment import Experiment, load_experiment
from harness.results.store import read_manifest
from harness.runs.plan import Plan
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import config
from tests.shared_data import ROOT

EXAMPLE = ROOT / "tests" / "plugin_example" / "taboo_plugin"
BARGAIN = """
from agents.base import Situation, Strategist, Strategy


class Bargain(Strategist):
    description = "asks for more"

    async def propose(self, situation: Situation) -> Strategy:
        return Strategy("Ask for more.", "strategist")
"""
TABOO: dict[str, Any] = {
    "name": "taboo",
    "environments": [{"name": "./parts/environment.py:Taboo", "split": "demo"}],
    "models": {
        "m": {"provider": "./parts/provider.py:Canned", "answers": {"actor": ["a tall light", "it warns ships"]}},
        "j": {"provider": "./parts/provider.py:Canned", "answers": {"judge": ["lighthouse"]}},
    },
    "actors": ["m"],
    "strategists": ["vanilla", {"kind": "./parts/strategist.py:Rotate"}],
    "judge": {"kind": "./parts/judge.py:Guess", "model": "j"},
    "process": [{"method": "./parts/reward.py:NewWords"}],
}


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an experiment all of whose parts lie in files beside it."""
    (tmp_path / "parts").mkdir()
    for file in EXAMPLE.glob("*.py"):
        (tmp_path / "parts" / file.name).write_text(file.read_text())
    (tmp_path / "taboo.yaml").write_text(yaml.safe_dump(TABOO))
    monkeypatch.chdir(tmp_path.parent)
    return tmp_path


def run(folder: Path, name: str, *options: str) -> int:
    return main(["run", str(folder / "taboo.yaml"), "--name", name, "--results", str(folder / "results"), *options])


def scored(folder: Path) -> list[Any]:
    lines = [json.loads(line) for line in (folder / "judgements.jsonl").read_text().splitlines()]
    return sorted((line["episode_id"], json.dumps(line["scores"])) for line in lines)


def test_all_kinds_of_parts_play_from_files_here_and_in_workers(beside: Path) -> None:
    assert run(beside, "here") == 0
    assert run(beside, "workers", "--workers", "1") == 0
    assert scored(beside / "results" / "here") == scored(beside / "results" / "workers") != []
    assert (beside / "results" / "workers" / "process_rewards.jsonl").read_text().count('"scored"') == 4
    manifest = read_manifest(beside / "results" / "here")
    assert set(manifest["cells"]) == {f"Taboo | demo | solo | m | {name}" for name in ("vanilla", "Rotate")}


def test_a_run_is_read_by_names_where_its_files_are_gone(beside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(beside, "here") == 0
    for file in (beside / "parts").iterdir():
        file.unlink()
    part_files._SOURCES.clear()
    capsys.readouterr()
    folder = str(beside / "results" / "here")
    for command in (["leaderboard", folder], ["compare", folder], ["show", folder]):
        assert main(command) == 0
        assert "Rotate" in capsys.readouterr().out
    assert run(beside, "here") == 2
    assert "there is no file" in capsys.readouterr().err


def test_a_run_plays_again_with_the_files_of_its_parts_in_the_working_folder(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(beside, "here") == 0
    part_files._SOURCES.clear()
    again = ["run", str(beside / "results" / "here"), "--name", "again", "--results", str(beside / "results")]
    monkeypatch.chdir(beside)
    assert main(again) == 2
    monkeypatch.chdir(beside / "parts")
    assert main(again) == 0
    assert scored(beside / "results" / "again") == scored(beside / "results" / "here") != []


def test_a_run_with_parts_in_files_is_verified_as_far_as_they_are_here(
    beside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(beside, "here") == 0
    folder = str(beside / "results" / "here")
    part_files._SOURCES.clear()
    capsys.readouterr()
    assert main(["verify", folder, "--replay"]) == 4
    said = capsys.readouterr().out
    assert "plan       8 of 8 confirmed" in said and "judgements 0 of 8 confirmed" in said
    assert "replay     0 of 8 confirmed" in said and "CONFIRMED IN PART" in said
    assert f"harness verify {folder} --parts FOLDER" in said and "get environment.py (" in said
    assert main(["verify", folder, "--replay", "--parts", str(beside)]) == 0
    said = capsys.readouterr().out
    assert "judgements 8 of 8 confirmed" in said and "CONFIRMED: nothing differs." in said and "--parts" not in said


def test_a_file_with_another_content_verifies_nothing(
    beside: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(beside, "here") == 0
    part_files._SOURCES.clear()
    judge = beside / "parts" / "judge.py"
    judge.write_text(judge.read_text() + "raise RuntimeError('executed')\n")
    monkeypatch.chdir(beside / "parts")
    capsys.readouterr()
    assert main(["verify", str(beside / "results" / "here")]) == 4
    said = capsys.readouterr().out
    assert "worlds     8 of 8 confirmed" in said and "judgements 0 of 8 confirmed" in said
    assert "To check the rest, get judge.py (" in said and "executed" not in said
    assert main(["verify", str(beside / "results" / "here"), "--parts", "nowhere"]) == 2


def load(folder: Path, text: str, name: str = "bargain.py") -> Experiment:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    raw = yaml.safe_dump(config(strategists=["vanilla", {"kind": f"./{name}:Bargain"}]))
    return load_experiment(folder / "e.yaml", raw, [])


def test_the_content_makes_the_run_and_not_the_place(tmp_path: Path) -> None:
    one = load(tmp_path, BARGAIN)
    assert load(tmp_path, BARGAIN, "other/bargain.py").run_name == one.run_name
    assert load(tmp_path, BARGAIN + "# more\n").run_name != one.run_name
    assert [spec.label for spec in one.strategists] == ["vanilla", "Bargain"]


BROKEN = {
    "it raises": (
        "import os\n\nraise RuntimeError('no luck')\n",
        r"bargain\.py, line 3 does not load: RuntimeError: no luck",
    ),
    "no Python": ("def Bargain(:\n", r"bargain\.py, line 1 does not load: SyntaxError"),
    "an import": ("x = 1\nimport no_such_package_here\n", r"line 2 does not load: ModuleNotFoundError"),
    "another name": (
        BARGAIN.replace("Bargain", "Bargains"),
        r"has no 'Bargain'; it has: Bargains\. Did you mean 'Bargains'",
    ),
    "no strategist": ("class Bargain:\n    pass\n", r"strategist .*Bargain.* has no method `propose`"),
}


@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_used_is_refused_when_the_plan_is_made(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Plan(load(tmp_path, text))


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    raw = yaml.safe_dump(config(strategists=[{"kind": "./no.py:Bargain"}]))
    with pytest.raises(BadInput, match=r"strategists\.0\.kind.*no file .*no\.py; the path is relative"):
        load_experiment(tmp_path / "e.yaml", raw, [])


def test_a_manifest_makes_no_file_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody else's run folder names is never executed."""
    (tmp_path / "evil.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    stored = Experiment.model_validate(config(strategists=[{"kind": "./evil.py:Bargain"}]))
    with pytest.raises(BadInput, match="unknown strategist"):
        Plan(stored)
    with pytest.raises(BadInput, match="which is not known here"):
        load_part("evil.py:Bargain@0123456789ab", "strategist")


def test_a_judge_whose_label_hides_its_kind_is_refused(beside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hidden = "\n    def __init__(self, spec, model):\n        super().__init__(spec, model)\n        self.label = 'other/m/1'\n"
    (beside / "parts" / "judge.py").write_text((EXAMPLE / "judge.py").read_text() + hidden)
    assert run(beside, "here") == 2
    assert "has to begin with its kind" in capsys.readouterr().err


def test_a_part_is_executed_once_in_a_process(tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text("import io\n\nclass Part:\n    pass\n")
    name = find_part("./part.py:Part", tmp_path)
    assert load_part(name, "part") is load_part(name, "part")
    assert find_part("vanilla", tmp_path) == "vanilla"
    assert load_part(name.replace(":Part", ":io"), "part") is io


CONTROL = BARGAIN.replace("class Bargain(Strategist):", "class Canned(Strategist):\n    control = True")


def test_a_control_of_ones_own_is_a_control_of_comparisons_where_it_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "canned.py").write_text(CONTROL)
    strategists = ["vanilla", {"kind": "epo", "model": "m"}, {"kind": "./canned.py:Canned"}]
    raw = yaml.safe_dump(config(strategists=strategists, judge={"model": "m"}))
    with Run(load_experiment(tmp_path / "e.yaml", raw, []), tmp_path / "run") as opened:
        assert execute(opened, Progress()).complete
    part_files._SOURCES.clear()
    family = uplift(str(tmp_path / "run"))
    kinds = [row.b.axes["strategist"] for row in family.rows]
    assert kinds == ["Canned", "epo"]
    assert {kinds[row]: [each.a.axes["strategist"] for each in beside] for row, beside in family.beside.items()} == {
        "epo": ["Canned"]
    }
    assert [row.b.role for row in family.rows] == ["control", ""]
