"""The Python API on a committed run and on small runs that it plays itself."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import harness
from agents.models.base import ChatRequest
from harness.api.printed import Comparisons
from harness.api.waiting import NotebookPanel
from harness.cli import main
from harness.compare.conclusions import conclusions
from harness.compare.questions import uplift
from harness.results.store import EPISODES
from harness.runs.progress import Progress
from tests.extras import required
from tests.harness.builders import config, play_or_judge
from tests.shared_data import THREE_ENVIRONMENTS

INTERRUPTS: list[int] = []
"""Ordinals of calls of the tested process at which it gets a Ctrl-C."""


def interrupting(request: ChatRequest) -> Any:
    """Answer as the other tests' models do, and press Ctrl-C once."""
    if INTERRUPTS:
        INTERRUPTS.pop()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)  # the thread that gets signals has to come to its turn before this small run is over
    return play_or_judge(request)


def small(**changes: Any) -> dict[str, Any]:
    return config(**changes)


def test_a_run_is_played_once_and_continued_by_the_same_call(tmp_path: Path) -> None:
    first = harness.run(small(), results=tmp_path, progress=False)
    kept = (first.folder / EPISODES).read_bytes()
    again = harness.run(small(), results=tmp_path, progress=False)
    assert again.folder == first.folder
    assert (again.folder / EPISODES).read_bytes() == kept
    assert again.summary is not None and again.summary.complete and again.summary.played_now == 0


@pytest.mark.parametrize("form", ["mapping", "file", "experiment"])
def test_a_file_a_mapping_and_an_experiment_are_the_same_run(form: str, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(small()))
    sources: dict[str, Any] = {
        "mapping": small(),
        "file": str(path),
        "experiment": harness.Experiment.model_validate(small()),
    }
    run = harness.run(sources[form], results=tmp_path, progress=False)
    assert run.folder.name == harness.Experiment.model_validate(small()).run_name


def test_it_plays_inside_a_running_event_loop_twice_in_one_process(tmp_path: Path) -> None:
    async def cell(name: str) -> harness.RunView:
        return harness.run(small(), results=tmp_path, name=name, progress=False)

    runs = [asyncio.run(cell(name)) for name in ("one", "two")]
    outside = harness.run(small(), results=tmp_path, name="three", progress=False)
    for run in (*runs, outside):
        assert run.summary is not None and run.summary.complete and run.summary.finished == run.summary.planned > 0


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"max_usd": -1.0}, ["--max-usd", "-1"]),
        ({"name": "a/b"}, ["--name", "a/b"]),
        ({"probe": 0}, ["--probe", "0"]),
        ({"workers": -1}, ["--workers", "-1"]),
        ({"overrides": ["repeats=x"]}, ["--set", "repeats=x"]),
        ({"overrides": ["repats=1"]}, ["--set", "repats=1"]),
    ],
)
def test_what_the_command_refuses_is_refused_in_the_same_words(
    options: dict[str, Any], flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(small()))
    results = tmp_path / "results"
    assert main(["run", str(path), "--results", str(results), *flags]) == 2
    said = capsys.readouterr().err
    with pytest.raises(harness.BadInput) as refused:
        harness.run(path, results=results, **options)
    assert said.replace("-1.0", "-1") == f"harness: {refused.value}\n".replace("-1.0", "-1")
    assert not results.exists()


def test_a_mapping_is_refused_by_key_and_left_as_it_was() -> None:
    raw = small(stratagists=[])
    with pytest.raises(harness.BadInput, match="unknown key `stratagists`.*Did you mean 'strategists'"):
        harness.run(raw, overrides=["repeats=3"])
    assert raw == small(stratagists=[])


def test_a_reason_that_is_no_experiment_is_refused() -> None:
    with pytest.raises(harness.BadInput, match="not int"):
        harness.run(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_ctrl_c_lets_running_episodes_end_and_the_same_call_plays_what_is_left(in_a_loop: bool, tmp_path: Path) -> None:
    changes = {"models": {"m": {"provider": "scripted", "function": f"{__name__}:interrupting"}}, "repeats": 4}
    experiment = small(**changes, limits={"episodes_at_once": 1})

    async def cell() -> harness.RunView:
        return harness.run(experiment, results=tmp_path, name="cut", progress=False)

    def play() -> harness.RunView:
        return (
            asyncio.run(cell()) if in_a_loop else harness.run(experiment, results=tmp_path, name="cut", progress=False)
        )

    before = signal.getsignal(signal.SIGINT)
    INTERRUPTS[:] = [1]
    with pytest.raises(KeyboardInterrupt, match="the same call plays them"):
        play()
    records = list(harness.open(tmp_path / "cut").stream())
    assert records and all(record.status == "finished" for record in records)
    assert signal.getsignal(signal.SIGINT) is before
    run = play()
    assert run.summary is not None and run.summary.complete
    assert run.summary.planned > len(records)


def test_the_tables_of_a_run_agree_with_its_records() -> None:
    run = harness.open(THREE_ENVIRONMENTS)
    records = list(run.stream())
    episodes, turns, judgements = run.episodes(), run.turns(), run.judgements()
    assert list(episodes["episode_id"]) == [record.episode_id for record in records]
    assert len(turns) == sum(len(record.turns) for record in records)
    assert turns.groupby("episode_id").size().to_dict() == Counter(
        {record.episode_id: len(record.turns) for record in records if record.turns}
    )
    seats = {record.episode_id: len(record.seats) for record in records}
    scored = list(run.stream("judgements"))
    assert len(judgements) == sum(seats[each.episode_id] for each in scored)
    goals = [each["goal"] for record in scored for each in record.scores or ()]
    assert judgements["score goal"].dropna().tolist() == goals
    rewards = [reward.reward for record in run.stream("process_rewards") for reward in record.rewards or ()]
    given = turns.filter(like="process ").to_numpy().ravel()
    assert sorted(given[given == given]) == pytest.approx(sorted(rewards))


def test_the_ranking_is_the_one_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    ranking = harness.open(THREE_ENVIRONMENTS).ranking()
    assert main(["leaderboard", str(THREE_ENVIRONMENTS), "--format", "json"]) == 0
    assert json.loads(ranking.to_frame().to_json(orient="records")) == json.loads(capsys.readouterr().out)
    assert "2 (1 to 6)" in str(ranking) and len(ranking) == 27


def test_a_comparison_has_a_row_per_actor_and_the_verdict_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    found = harness.open(THREE_ENVIRONMENTS).compare("epo", "vanilla", environment="alfworld")
    table = found.to_frame()
    assert table["actor_b"].tolist() == ["script:follow", "smollm2"]
    assert set(table["strategist_a"]) == {"vanilla"} and set(table["strategist_b"]) == {"epo"}
    assert len(found.to_frame(controls=True)) == 4
    texts = [f"{THREE_ENVIRONMENTS}#environment=alfworld,strategist={name}" for name in ("vanilla", "epo")]
    assert main(["compare", *texts, "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert found.verdict.splitlines() == said["conclusions"]
    assert all(line in str(found) for line in said["conclusions"])


def test_without_a_strategist_every_one_is_compared_with_vanilla() -> None:
    found = harness.open(THREE_ENVIRONMENTS).compare()
    assert found.verdict == "\n".join(conclusions(uplift(str(THREE_ENVIRONMENTS))))


def test_several_runs_make_one_family_and_are_compared_across_where_they_have_to_be(tmp_path: Path) -> None:
    for name, strategists in (("a", ["vanilla"]), ("b", ["null"]), ("both", ["vanilla", "null"])):
        harness.run(small(strategists=strategists, judge="m"), results=tmp_path, name=name, progress=False)
    across = harness.open(tmp_path / "a", tmp_path / "b").compare("null").to_frame()
    assert across[["run_a", "run_b"]].to_numpy().tolist() == [["a", "b"]]
    one = harness.open(tmp_path / "both").compare("null")
    two = harness.open(tmp_path / "both", THREE_ENVIRONMENTS).compare("null")
    assert isinstance(one, Comparisons) and len(one) == 1
    assert len(two) > len(one) and two.family.rows[0].family == len(two)
    with pytest.raises(harness.BadInput, match="no run has both strategists"):
        harness.open(tmp_path / "a", tmp_path / "b").compare("epo")


def test_what_is_no_run_no_judge_and_no_kind_of_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(harness.BadInput, match="does not exist"):
        harness.open(tmp_path / "none")
    with pytest.raises(harness.BadInput, match="no judgement of 'me'"):
        harness.open(THREE_ENVIRONMENTS, judge="me")
    with pytest.raises(harness.BadInput, match="known are episodes, judgements, process_rewards"):
        harness.open(THREE_ENVIRONMENTS).stream("calls")  # type: ignore[call-overload]
    with pytest.raises(harness.BadInput, match="2 runs"):
        _ = harness.RunView((THREE_ENVIRONMENTS, tmp_path)).folder


def test_streaming_reads_one_record_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    import harness.results.streams as streams

    whole = streams.read_record

    def counted(path: Path, offset: int, form: Any) -> Any:
        read.append(offset)
        return whole(path, offset, form)

    monkeypatch.setattr(streams, "read_record", counted)
    stream = harness.open(THREE_ENVIRONMENTS).stream()
    next(stream)
    assert len(read) == 1


def test_a_notebook_shows_one_panel_and_draws_it_again_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, str]] = []

    class Handle:
        def update(self, said: dict[str, str], raw: bool) -> None:
            shown.append(("again", said["text/html"]))

    def display(said: dict[str, str], raw: bool, display_id: bool) -> Handle:
        shown.append(("first", said["text/html"]))
        return Handle()

    monkeypatch.setattr(required("IPython.display"), "display", display)
    progress = Progress(Console(file=io.StringIO(), force_jupyter=True))
    panel = NotebookPanel(progress)
    panel.draw()
    assert shown == [], "there is nothing to play yet"
    progress.standing.begin([("e", "env | split | solo | me | epo")], ["e"], {}, ())
    panel.draw()
    panel.draw()
    assert [how for how, _ in shown] == ["first", "again"]
    assert all("0/1 episodes" in html and "epo" in html for _, html in shown)
    elsewhere = NotebookPanel(Progress(Console(file=io.StringIO())))
    elsewhere.draw()
    assert len(shown) == 2
