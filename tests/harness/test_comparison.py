"""`harness compare`: paired by task and seed, corrected for the family, bounded where outcomes are missing, and careful
in words."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.cli import main
from harness.compare.answers import answer
from harness.compare.arms import load_run
from harness.compare.comparison import compare
from harness.compare.conclusions import conclusions, finding, is_asked, sentence
from harness.compare.doubts import interval_note
from harness.compare.questions import uplift, uplift_all
from harness.experiment.identity import identity_of
from harness.statistics import Bounds, Estimate, Guard, holm
from tests.harness import gate_runs
from tests.harness.gate_runs import LEVERS, played, small

WORD = "something good"
EPO = {"kind": "epo", "model": "m"}


pytestmark = pytest.mark.usefixtures("levers")


def helped(folder: Path, *strategists: object, **changes: object) -> Path:
    """A run in which a strategy's word is worth 2 points and the judge is noisy."""
    LEVERS.update(noise=1, bonus={WORD: 2})
    return played(folder, strategists=["vanilla", *strategists], **changes)


def test_uplift_over_vanilla_is_the_mean_of_paired_differences(tmp_path: Path) -> None:
    run = helped(tmp_path / "run", EPO)
    (row,) = uplift(str(run)).rows
    goals = {arm.kind: arm.rows.set_index("task_id")["goal"].astype(float) for arm in load_run(run).arms.values()}
    differences = goals["epo"] - goals["vanilla"]
    assert row.result.estimate.mean == pytest.approx(differences.mean())
    assert row.result.estimate.n == gate_runs.TASKS
    by_group = load_run(run).arms[row.a.cell].rows.set_index("task_id")["group"]
    sums = differences.groupby(by_group).sum()
    assert (row.result.wins, row.result.losses) == (int((sums > 0).sum()), int((sums < 0).sum()))
    assert finding(row) == "higher"


def test_tokens_per_point_are_the_more_tokens_over_the_points_gained(tmp_path: Path) -> None:
    (row,) = uplift(str(helped(tmp_path / "run", EPO))).rows
    more = [arm.rows["tokens"].astype(float).mean() for arm in (row.a, row.b)]
    assert row.tokens == pytest.approx(more[1] - more[0])
    assert row.tokens > 0
    assert row.per_point(row.tokens) == pytest.approx(row.tokens / row.result.estimate.mean)
    assert row.usd == 0, "a scripted model costs nothing"


def test_questions_are_corrected_together_and_controls_stand_behind_them(tmp_path: Path) -> None:
    family = uplift(str(helped(tmp_path / "run", "null", EPO, EPO | {"name": "other"})))
    asked = [row for row in family.rows if row.b.axes["strategist"] != "null"]
    assert {row.family for row in asked} == {2}
    assert [row.p_holm for row in asked] == pytest.approx(list(holm([row.result.p for row in asked])))
    behind = [family.beside[family.rows.index(row)][0] for row in asked]
    both = holm([max(row.result.p, each.result.p) for row, each in zip(asked, behind, strict=True)])
    assert [each.p_holm for each in behind] == pytest.approx(
        [max(row.p_holm, p) for row, p in zip(asked, both, strict=True)]
    )
    (alone,) = [row for row in family.rows if row.b.axes["strategist"] == "null"]
    assert (alone.family, alone.p_holm) == (1, pytest.approx(alone.result.p))
    assert any("corrected (Holm) for the run's 2 questions" in line for line in conclusions(family))
    assert any("A control is tested behind its question" in line for line in conclusions(family))


def test_an_experiment_names_its_question(tmp_path: Path) -> None:
    run = helped(tmp_path / "run", "null", EPO, EPO | {"name": "other"}, questions=["epo"])
    family = uplift(str(run))
    asked = {row.b.axes["strategist"]: (row.family, is_asked(row)) for row in family.rows}
    assert asked == {"null": (2, False), "epo": (1, True), "other": (2, False)}
    (number,) = family.beside
    assert family.rows[number].b.axes["strategist"] == "epo" and len(family.beside[number]) == 1
    text = "\n".join(conclusions(family))
    assert "The run asks one question, epo against vanilla" in text
    assert "Strategists that it does not ask about are corrected separately." in text


def test_a_question_is_part_of_what_a_run_is(tmp_path: Path) -> None:
    one, other = (small(strategists=["vanilla", EPO], questions=asked) for asked in ([], ["epo"]))
    assert identity_of(one.model_dump(mode="json")) != identity_of(other.model_dump(mode="json"))
    older = one.model_dump(mode="json")
    del older["questions"]
    assert identity_of(older) == identity_of(one.model_dump(mode="json")), "experiments of before keep their name"
    with pytest.raises(ValueError, match="unknown question 'ego'"):
        small(strategists=["vanilla", EPO], questions=["ego"])


def test_a_part_of_a_run_is_answered_as_the_whole_of_it(tmp_path: Path) -> None:
    run = helped(tmp_path / "run", "null", EPO, EPO | {"name": "other"})
    (part,) = uplift(f"{run}#strategist=other").rows
    (whole,) = [row for row in uplift(str(run)).rows if row.b.axes["strategist"] == "other"]
    assert (part.p_holm, part.family) == (whole.p_holm, 2)


def test_two_runs_asked_about_together_are_answered_as_each_alone(tmp_path: Path) -> None:
    one, other = helped(tmp_path / "one", EPO), helped(tmp_path / "other", EPO, "null", seed=2)
    together = uplift_all([str(one), str(other)])
    apart = [*uplift(str(one)).rows, *uplift(str(other)).rows]
    assert [row.p_holm for row in together.rows] == [row.p_holm for row in apart]


def test_a_gain_that_the_shuffled_control_has_too_is_not_put_down_to_what_is_said(tmp_path: Path) -> None:
    family = uplift(str(helped(tmp_path / "run", EPO, {"kind": "shuffled", "model": "m"}, "null")))
    text = "\n".join(conclusions(family))
    assert "epo scores higher than vanilla" in text
    assert "epo is not shown to beat shuffled: the gain cannot be put down to what its strategies say" in text


def test_a_gain_over_every_control_is_put_down_to_what_is_said(tmp_path: Path) -> None:
    text = "\n".join(conclusions(uplift(str(helped(tmp_path / "run", EPO, "null")))))
    assert "epo also beats null: its strategies' content counts" in text


def test_without_a_control_the_words_say_that_it_can_not_be_told(tmp_path: Path) -> None:
    text = "\n".join(conclusions(uplift(str(helped(tmp_path / "run", EPO)))))
    assert "Without a control (`null` or `shuffled`) it cannot be told" in text


def test_no_difference_is_never_called_equality(tmp_path: Path) -> None:
    LEVERS.update(noise=1)
    family = uplift(str(played(tmp_path / "run", strategists=["vanilla", EPO])))
    (row,) = family.rows
    line = conclusions(family)[0]
    assert finding(row) == "open"
    assert line.startswith("No difference shown between epo and vanilla")
    assert "That does not make them equal" in line
    assert f"about {row.needed} episodes per arm would do" in line
    assert "equal" not in line.replace("does not make them equal", "")


def test_missing_outcomes_that_could_undo_a_difference_leave_it_not_shown(tmp_path: Path) -> None:
    LEVERS["fail"] = gate_runs.some_tasks(4)
    family = uplift(str(helped(tmp_path / "run", EPO)))
    (row,) = family.rows
    assert row.result.missing > 10
    assert row.result.bounds is not None
    assert row.result.bounds.low < 0 < row.result.estimate.low
    assert finding(row) == "hinges"
    assert f"the {row.result.missing} pairs without a value could undo it: not shown" in conclusions(family)[0]


def test_what_was_planned_and_never_played_is_missing_too(tmp_path: Path) -> None:
    run = helped(tmp_path / "run", EPO)
    lines = (run / "episodes.jsonl").read_text().splitlines(keepends=True)
    tasks = list(dict.fromkeys(json.loads(line)["task_id"] for line in lines))[:5]
    (run / "episodes.jsonl").write_text("".join(line for line in lines if json.loads(line)["task_id"] not in tasks))
    (row,) = uplift(str(run)).rows
    assert (row.result.estimate.n, row.result.missing) == (gate_runs.TASKS - 5, 5)


def test_success_is_compared_by_mcnemars_exact_test_where_each_group_has_one_pair(tmp_path: Path) -> None:
    ids = [f"{task}" for task in _one_task_per_group()]
    spec = [{"name": "sotopia", "split": "builtin-test", "tasks": ids, "options": {"max_turns": 2}}]
    LEVERS.update(bonus={WORD: 2})
    (row,) = uplift(str(played(tmp_path / "run", strategists=["vanilla", EPO], environments=spec))).rows
    assert row.success.mcnemar is not None
    assert (row.success.mcnemar.only_a, row.success.mcnemar.only_b) == (0, len(ids))  # 6 points fail, 8 succeed
    assert row.success.mcnemar.p == pytest.approx(2.0 ** (1 - len(ids)))


def _one_task_per_group() -> list[str]:
    import environments

    tasks = environments.make("sotopia", {}).tasks("builtin-test")
    return list({task.group: task.id for task in tasks}.values())[:10]


def test_two_runs_meet_cell_by_cell_and_their_prompts_may_differ(tmp_path: Path) -> None:
    first = played(tmp_path / "first", strategists=["vanilla", EPO])
    LEVERS.update(salt=1)
    second = played(tmp_path / "second", strategists=["vanilla", EPO])
    manifest = json.loads((second / "manifest.json").read_text())
    manifest["prompts"]["environments.sotopia/actor"] = "another"
    (second / "manifest.json").write_text(json.dumps(manifest))
    family = compare(str(first), str(second))
    assert [row.a.cell for row in family.rows] == [row.b.cell for row in family.rows]
    assert any(line.startswith("prompts.environments.sotopia/actor") and "another" in line for line in family.reported)


def test_arms_of_one_run_are_named_by_their_axes(tmp_path: Path) -> None:
    run = helped(tmp_path / "run", EPO, "null")
    (row,) = compare(f"{run}#strategist=null", f"{run}#strategist=epo").rows
    assert (row.a.kind, row.b.kind) == ("null", "epo")
    with pytest.raises(BadInput, match="several counterparts"):
        compare(f"{run}#strategist=epo", f"{run}#actor=m")
    with pytest.raises(BadInput, match="Did you mean 'strategist'"):
        compare(f"{run}#stratgist=epo", f"{run}#strategist=null")
    with pytest.raises(BadInput, match="no arm fits"):
        compare(f"{run}#strategist=epo-2", f"{run}#strategist=null")


def test_a_pairings_commas_do_not_part_a_selector(tmp_path: Path) -> None:
    run = helped(tmp_path / "run", EPO, pairings=[{"actor": "same"}])
    (cell,) = {arm.axes["pairing"] for arm in load_run(run).arms.values()}
    assert ", " in cell
    (row,) = compare(f"{run}#pairing={cell},strategist=vanilla", f"{run}#pairing={cell},strategist=epo").rows
    assert row.result.estimate.n == 2 * gate_runs.TASKS  # both orders


def test_a_run_compared_with_itself_or_its_copy_is_refused(tmp_path: Path) -> None:
    run = played(tmp_path / "run")
    shutil.copytree(run, tmp_path / "copy")
    for other in (run, tmp_path / "copy"):
        with pytest.raises(BadInput, match="compared with itself"):
            compare(str(run), str(other))


TWO = [{"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 2}}]
THREE = [{**TWO[0], "tasks": 3}]
LONGER = [{**TWO[0], "options": {"max_turns": 4}}]
WARM = [{"model": "m", "temperature": 1.0}]
COOL = [{"model": "m", "temperature": 0.1}]


@pytest.mark.parametrize(
    ("what", "first", "second", "shows"),
    [
        ("tasks", {"environments": TWO}, {"environments": THREE}, "is only in second"),
        ("seeds", {"seed": 1}, {"seed": 2}, "seeds.seed: 1 -> 2"),
        ("protocol", {"environments": TWO}, {"environments": LONGER}, "protocol.options.max_turns: 2 -> 4"),
        ("judge", {"judge": "m"}, {"judge": {"model": "m", "max_tokens": 9}}, "max_tokens: 1500 -> 9"),
        ("actor", {"actors": WARM}, {"actors": COOL}, "actor.temperature: 1.0 -> 0.1"),
    ],
)
def test_what_has_to_be_the_same_is_refused_showing_the_difference_unless_allowed(
    tmp_path: Path, what: str, first: dict[str, object], second: dict[str, object], shows: str
) -> None:
    before, after = (
        str(played(tmp_path / name, **({"environments": TWO} | changes)))
        for name, changes in (("first", first), ("second", second))
    )
    with pytest.raises(BadInput, match=f"--allow {what}") as refused:
        compare(before, after)
    assert shows in str(refused.value)
    family = compare(before, after, allow=[what])
    assert family.rows[0].result.estimate.n == 2
    assert family.rows[0].result.missing == 0
    assert any(shows in line for line in family.reported)


def test_other_data_are_refused(tmp_path: Path) -> None:
    first, second = played(tmp_path / "first", environments=TWO), played(tmp_path / "second", environments=TWO)
    manifest = json.loads((second / "manifest.json").read_text())
    manifest["data"]["sotopia | builtin-test"]["builtin/scenarios.jsonl"] = "changed"
    (second / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match="differ in data"):
        compare(str(first), str(second))


def test_start_and_trained_served_by_another_engine_or_precision_are_refused(tmp_path: Path) -> None:
    served = {"engine": "vllm", "version": "vllm 0.32.0", "dtype": "bfloat16"}
    runs = []
    for name, changed in (("start", {}), ("trained", {"dtype": "float32"}), ("again", {}), ("older", None)):
        run = played(tmp_path / name, strategists=["vanilla", EPO], environments=TWO)
        manifest = json.loads((run / "manifest.json").read_text())
        assert manifest.pop("served") == {}, "a scripted model is no engine"
        manifest |= {} if changed is None else {"served": {"m": served | changed}}
        (run / "manifest.json").write_text(json.dumps(manifest))
        runs.append(str(run))
    start, trained, again, older = runs
    with pytest.raises(BadInput, match="serving.dtype: 'bfloat16' -> 'float32'"):
        compare(start, trained)
    assert compare(start, trained, allow=["serving"]).rows
    assert compare(start, again).rows and compare(start, older).rows
    assert compare(f"{start}#strategist=vanilla", f"{start}#strategist=epo").rows, "vanilla has no weights of its own"


def test_the_command_prints_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(helped(tmp_path / "run", EPO, "null"))
    assert main(["compare", run]) == 0
    table = capsys.readouterr().out
    assert "win/tie/loss" in table
    assert "null (control)" in table
    assert "epo scores higher than vanilla" in table
    assert main(["compare", run, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert main(["compare", run, "--format", "json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert len(rows) == len(whole["comparisons"]) == 3
    assert float(rows[0]["difference"]) == whole["comparisons"][0]["difference"]
    assert whole["comparisons"][0]["usd_per_point"] == 0
    assert main(["compare", run, "--format", "markdown"]) == 0
    assert "| A | B | mean A |" in capsys.readouterr().out
    assert main(["compare", run, "--metric", "gaol"]) == 2
    assert "Did you mean 'goal'" in capsys.readouterr().err


def test_a_run_without_vanilla_has_no_uplift(tmp_path: Path) -> None:
    run = played(tmp_path / "run", strategists=["null"], environments=TWO)
    with pytest.raises(BadInput, match="vanilla"):
        uplift(str(run))


def test_every_finding_has_its_words(tmp_path: Path) -> None:
    family = uplift(str(helped(tmp_path / "run", EPO)))
    (row,) = family.rows
    estimate = row.result.estimate

    def told(p_holm: float = 0.001, **changes: Any) -> str:
        result = replace(row.result, estimate=replace(estimate, **changes))
        return sentence(replace(row, result=result, p_holm=p_holm))

    assert "is borderline" in told(p_holm=0.2)
    assert "take it as not shown" in told(p_holm=0.2)
    assert f"Alone it would be shown (p = {row.result.p:.2g})" in told(p_holm=0.2)
    assert row.result.p >= 2 / 2**15, "15 groups, all of one sign, crossed by characters"
    assert "epo scores lower than vanilla" in told(mean=-1.0, low=-2.0, high=-0.5)
    few = replace(row, result=replace(row.result, by_group=(("a", 1.0), ("b", 2.0))))
    few = replace(few, result=replace(few.result, estimate=replace(estimate, clusters=2)))
    assert finding(few) == "nothing"
    assert "share 2 groups of tasks: from fewer than 6 no claim at 95 % is possible" in sentence(few)
    assert "group by group: +1.00 (a), +2.00 (b)" in sentence(few)
    assert "no finished episode in common" in told(n=0)
    only_one = row.pairs.tasks == row.pairs.tasks[0]
    alone = replace(row.pairs, a=row.pairs.a[only_one], b=row.pairs.b[only_one], tasks=row.pairs.tasks[only_one])
    blind = replace(row, p_holm=0.9, pairs=alone, result=replace(row.result, estimate=replace(estimate, low=-9)))
    assert "could not have shown any difference reliably" in sentence(blind)
    for guard, said in (
        (Guard("one more", "scene-7", -6.0, 0.4), "one more group like scene-7 (-6.00) would undo it: not shown"),
        (Guard("unseen", "scene-7", 0.5, 0.43), "groups would hold none of them 43 % of the time"),
    ):
        undone = replace(row, result=replace(row.result, guard=guard))
        assert finding(undone) == "undone"
        assert said in sentence(undone) and "scene-7" in answer(replace(family, rows=(undone,)), 0)
    bounds = replace(paired_bounds(0.5), missing=2)
    held = replace(row, result=replace(row.result, missing=2, bounds=bounds))
    assert "whatever the 2 pairs without a value would have been" in sentence(held)


def paired_bounds(low: float) -> Bounds:
    """Bounds whose lower end is `low`."""
    estimate = Estimate(low + 1, low, low + 2, 10, 10, "student")
    return Bounds(estimate, estimate, 0)


def test_nothing_gained_is_said_where_nothing_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(played(tmp_path / name)) for name in ("a", "b")]
    assert main(["compare", *runs, "--format", "markdown"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "+0.000" in line)
    tokens, per_token, per_usd = (cell.strip() for cell in row.strip("| ").split("|")[-3:])
    assert (tokens, per_token, per_usd) == ("+0", "no gain", "no gain")


def test_a_metric_that_no_arm_has_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = {"name": "alfworld", "split": "builtin-test-mini", "tasks": 2, "options": {"max_steps": 2}}
    played(tmp_path / "run", environments=[world], strategists=["vanilla", "null"], judge=None)
    assert main(["compare", str(tmp_path / "run"), "--metric", "overall"]) == 2
    assert "none of these arms has a value of 'overall'" in capsys.readouterr().err


def test_an_arm_whose_outcomes_few_groups_hold_says_so(tmp_path: Path) -> None:
    arm = next(iter(load_run(helped(tmp_path / "run", EPO)).arms.values()))
    assert interval_note(arm) is None
    groups = arm.outcomes["group"].astype(object)
    groups[len(groups) // 4 :] = groups[0]
    note = interval_note(replace(arm, outcomes={**arm.outcomes, "group": groups}))
    assert note is not None and "hold most outcomes" in note and "may be too narrow" in note
