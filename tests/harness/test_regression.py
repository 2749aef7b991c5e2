"""`harness check`: a planted regression turns red, noise stays green, too few episodes are called that, and what cannot
be compared is refused. The gate's own error rates are tested in tests/harness/statistics."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import environments.sotopia.env
import environments.webshop.shop.baselines
from environments.base import Action, BaselineEntry
from environments.prompts import Prompt
from harness.base.errors import BadInput
from harness.cli import main
from harness.compare.arms import Arms, load_run
from harness.compare.baseline import baseline_text, make_baseline, read_baseline
from harness.compare.check_reports import as_json, junit, markdown
from harness.compare.check_words import cell_sentence
from harness.compare.regression import check
from harness.compare.sources import load
from tests.harness import gate_runs
from tests.harness.gate_runs import KNOWS, LEVERS, play, played

EPO = {"kind": "epo", "model": "m"}


pytestmark = pytest.mark.usefixtures("levers")


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A baseline file of a noisy run."""
    LEVERS.update(noise=1, salt=1)
    path = tmp_path / "baseline.json"
    path.write_text(baseline_text(make_baseline(load_run(played(tmp_path / "base")))))
    return path


def broken_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The actor's prompt lost the sentences about the goal."""
    real = environments.sotopia.env._prompt
    lost = Prompt(real("actor").name, real("actor").text.replace("goal", "thing"))
    monkeypatch.setattr(environments.sotopia.env, "_prompt", lambda role: lost if role == "actor" else real(role))


def test_a_broken_prompt_turns_red_and_is_shown(
    tmp_path: Path, baseline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_prompt(monkeypatch)
    LEVERS.update(salt=2)
    play(tmp_path / "broken")
    assert main(["check", "--baseline", str(baseline), "--candidate", str(tmp_path / "broken")]) == 1
    out = capsys.readouterr().out
    assert "❌ Regressed" in out
    assert "prompts.environments.sotopia/actor" in out  # reported, not refused


def test_a_broken_rule_agent_turns_red_and_an_unchanged_one_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = [{"name": "webshop", "split": "builtin-test", "tasks": 24, "options": {"max_steps": 6}}]
    spec = {"environments": shop, "actors": ["script:rule"], "judge": None, "models": {}}
    path = tmp_path / "baseline.json"
    path.write_text(baseline_text(make_baseline(load_run(play(tmp_path / "base", **spec)))))
    same = check(load(path), load_run(play(tmp_path / "same", **spec)), max_drop=0.4)
    assert (same.verdict, same.exit_code) == ("pass", 0)
    lost = BaselineEntry(lambda seat_play, seat, random: Action("search[nothing]"), "lost", reads_hidden_state=False)
    entries = {**environments.webshop.shop.baselines.BASELINES, "rule": lost}
    monkeypatch.setattr("environments.webshop.env.BASELINES", entries)
    result = check(load(path), load_run(play(tmp_path / "broken", **spec)), max_drop=0.4)
    assert (result.verdict, result.exit_code) == ("regressed", 1)


@pytest.mark.parametrize("salt", [2, 3, 4])
def test_noise_alone_stays_green(tmp_path: Path, baseline: Path, salt: int) -> None:
    LEVERS.update(salt=salt)
    result = check(load(baseline), load_run(play(tmp_path / "again")), max_drop=0.3)
    (cell,) = result.cells
    assert cell.baseline != cell.candidate
    assert result.verdict == "pass"
    assert 0.3 < cell.result.visible_drop <= 0.5


def test_a_cell_on_the_floor_is_said_to_guard_nothing(tmp_path: Path) -> None:
    LEVERS.update(bonus={"mumble": -9, KNOWS: -9})
    first, second = (load_run(play(tmp_path / name)) for name in ("a", "b"))
    (cell,) = check(first, second).cells
    assert cell.baseline == 0
    assert cell.verdict == "too few"
    assert "guards nothing" in cell_sentence(cell)


def test_a_narrow_tolerance_says_too_few_and_how_many_would_do(
    tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LEVERS.update(salt=2)
    play(tmp_path / "again")
    code = main(["check", "--baseline", str(baseline), "--candidate", str(tmp_path / "again"), "--max-drop", "0.001"])
    out = capsys.readouterr().out
    assert code == 3
    assert "Too few episodes to tell" in out
    assert "would have been seen with a chance of 80 %" in out
    assert "episodes per arm would do for 0.001" in out


def test_a_drop_within_max_drop_passes_and_one_beyond_is_red(
    tmp_path: Path, baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_prompt(monkeypatch)
    LEVERS.update(salt=2)
    broken = load_run(play(tmp_path / "broken"))  # 4 of 10 points lost
    assert check(load(baseline), broken, max_drop=0.6).verdict == "pass"
    assert check(load(baseline), broken, max_drop=0.1).verdict == "regressed"


def test_missing_outcomes_never_make_a_pass(tmp_path: Path, baseline: Path) -> None:
    LEVERS.update(salt=2, fail=gate_runs.some_tasks(2))
    result = check(load(baseline), load_run(play(tmp_path / "half")), max_drop=0.3)
    assert result.cells[0].result.missing > 5
    assert result.verdict == "too few"


def test_the_reports_say_the_same(tmp_path: Path, baseline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_prompt(monkeypatch)
    LEVERS.update(salt=2)
    run = play(tmp_path / "broken")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("earlier step\n")
    files = {form: tmp_path / f"out.{form}" for form in ("markdown", "junit", "json")}
    flags = [part for form, path in files.items() for part in (f"--{form}", str(path))]
    assert main(["check", "--baseline", str(baseline), "--candidate", str(run), *flags]) == 1
    text = files["markdown"].read_text()
    assert text.startswith("## ❌ Regressed")
    assert (tmp_path / "summary.md").read_text() == "earlier step\n" + text
    suite = ElementTree.fromstring(files["junit"].read_text())
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    failure = suite.find("testcase/failure")
    assert failure is not None
    whole = json.loads(files["json"].read_text())
    assert (whole["verdict"], whole["exit_code"]) == ("regressed", 1)
    assert whole["cells"][0]["reason"] == failure.get("message")
    assert whole["cells"][0]["reason"] in text


def test_names_can_not_break_out_of_a_report(tmp_path: Path, baseline: Path) -> None:
    base = load(baseline)
    LEVERS.update(salt=2)
    run = load_run(play(tmp_path / "again"))
    evil = "sotopia | builtin-test | self-play | <script>[x](y)`\x00]]> | vanilla"

    def renamed(arms: Arms) -> Arms:
        (arm,) = arms.arms.values()
        return replace(arms, arms={evil: replace(arm, cell=evil)})

    result = check(renamed(base), renamed(run), max_drop=0.3)
    assert "<script" not in markdown(result)
    assert "[x](y)" not in markdown(result).replace("\\[", "")
    (row,) = [line for line in markdown(result).splitlines() if "self-play" in line]
    assert len([part for part in row.replace("\\|", "").split("|") if part]) == 9
    assert ElementTree.fromstring(junit(result)).get("tests") == "1"
    assert json.dumps(as_json(result), allow_nan=False)


def test_a_baseline_file_holds_what_the_run_holds(tmp_path: Path, baseline: Path) -> None:
    from_file, from_run = read_baseline(baseline), load_run(tmp_path / "base")
    (a,), (b,) = from_file.arms.values(), from_run.arms.values()
    assert a.facts == b.facts
    assert a.tested == b.tested
    columns = ["task_id", "order", "repeat", "seed", "goal", "success"]
    left, right = (arm.rows[columns].sort_values(columns).reset_index(drop=True) for arm in (a, b))
    assert left.astype(object).equals(right.astype(object)) or (left.to_numpy() == right.to_numpy()).all()
    assert from_file.fingerprint == from_run.fingerprint
    with pytest.raises(BadInput, match="compared with itself"):
        check(from_file, from_run)
    shutil.copytree(tmp_path / "base", tmp_path / "copy")
    with pytest.raises(BadInput, match="compared with itself"):
        check(from_file, load_run(tmp_path / "copy"))


def test_a_baseline_is_not_made_of_a_run_with_gaps(tmp_path: Path) -> None:
    LEVERS["fail"] = gate_runs.some_tasks(3)
    with pytest.raises(BadInput, match=r"lacks .* outcomes"):
        make_baseline(load_run(play(tmp_path / "half")))


def test_a_candidate_of_another_seed_that_broke_off_lacks_what_it_did_not_play(tmp_path: Path, baseline: Path) -> None:
    run = played(tmp_path / "broken-off", seed=9)
    path = run / "episodes.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-7]))
    found = check(load(baseline), load_run(run), allow=["seeds"])
    assert found.pooled.result.missing == 7


def test_other_tasks_exit_2_and_show_the_difference_unless_allowed(
    tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = [{"name": "sotopia", "split": "builtin-test", "tasks": 20, "options": {"max_turns": 2}}]
    command = ["check", "--baseline", str(baseline), "--candidate", str(play(tmp_path / "run", environments=spec))]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "differ in tasks" in error
    assert "is only in base" in error
    assert main([*command, "--allow", "tasks", "--max-drop", "0.5"]) == 0


def test_a_candidate_that_lacks_a_cell_is_refused_and_a_new_cell_is_reported(tmp_path: Path, baseline: Path) -> None:
    more = load_run(play(tmp_path / "more", strategists=["vanilla", EPO]))
    assert [cell.rsplit(" | ", 1)[1] for cell in check(load(baseline), more, max_drop=0.4).added] == ["epo"]
    with pytest.raises(BadInput, match="lacks cells of the baseline"):
        check(more, load_run(tmp_path / "base"))


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "not JSON"), ("{}", "no baseline of ours"), ('{"kind": "other"}', "no baseline of ours"), ("[]", "ours")],
)
def test_a_file_that_is_no_baseline_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    (tmp_path / "x.json").write_text(text)
    assert main(["check", "--baseline", str(tmp_path / "x.json"), "--candidate", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "--make-baseline" in error


@pytest.mark.parametrize(
    "flags", [["--max-drop", "-1"], ["--tolerance", "1"], ["--metric", "overall"], ["--allow", "prompts"]]
)
def test_flags_out_of_range_are_bad_input(tmp_path: Path, baseline: Path, flags: list[str]) -> None:
    assert main(["check", "--baseline", str(baseline), "--candidate", str(tmp_path / "base"), *flags]) == 2


def test_a_missing_file_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--baseline", str(tmp_path / "none.json"), "--candidate", str(tmp_path)]) == 2
    assert "does not exist" in capsys.readouterr().err
