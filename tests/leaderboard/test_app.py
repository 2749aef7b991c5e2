"""The viewer's pages, run by Streamlit's own test runner: what they show, what their addresses mean, what they make of
hostile texts. A real browser looks at them in tests/browser."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from harness.results.holding import RunLock
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST
from harness.results.training_curve import CURVE, TRAINING
from leaderboard.board import Board, Filters, leaderboard, open_board, plain_rows
from leaderboard.cells import amount
from leaderboard.duel import divergence, duel, extremes
from leaderboard.episodes import conversation
from leaderboard.marks import marks_of
from leaderboard.matrix import figure_4, matrix
from leaderboard.page.sections import arm_marks, places_of
from tests.leaderboard.app_runs import labelled_rows, open_page, page_of, pieces, play, rows, shown, words
from tests.shared_data import missing

PAGES = ("answer", "ranking", "matrix", "compare", "episodes", "training", "cost", "judges")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("streamlit") is None:
        missing("the viewer's tests need streamlit: pip install -e '.[viewer]'")
    return play(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def board(run: Path) -> Board:
    return open_board([run])


@pytest.fixture
def downloaded(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """File name -> content of what the page offers."""
    import streamlit

    found: dict[str, str] = {}
    real = streamlit.download_button

    def offer(label: str, data: Any, file_name: str, *rest: Any, **options: Any) -> Any:
        found[file_name] = data
        return real(label, data, file_name, *rest, **options)

    monkeypatch.setattr(streamlit, "download_button", offer)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(run: Path, page: str) -> None:
    assert pieces(open_page(page, run))


@pytest.mark.parametrize("page", PAGES)
def test_where_there_is_nothing_the_page_says_which_command_makes_some(tmp_path: Path, page: str) -> None:
    assert "harness train " if page == "training" else "harness run" in words(open_page(page, tmp_path))
    assert "harness" in words(open_page(page, tmp_path / "gone"))


def test_the_ranking_is_the_table_s(run: Path, board: Board) -> None:
    found = labelled_rows(open_page("ranking", run), "ranking")
    table = [row for place in places_of(board, plain_rows(leaderboard(board))) for row in place.rows]
    assert [row["Strategist"] for row in found] == [row["strategist"] for row in table]
    for row, expected in zip(found, table, strict=True):
        assert row["Rank"] == f"{expected['rank']} ({expected['rank_low']} to {expected['rank_high']})"
        assert row["Goal"] == amount(expected["goal"])
        assert row["95 % interval"] == f"{amount(expected['low'])} … {amount(expected['high'])}"
        assert f"/ {expected['planned']}" in row["Scored / planned"]
        assert row["Not told apart"].split() == list(expected["ties"])


def test_the_dimensions_are_the_judge_s(run: Path, board: Board) -> None:
    app = open_page("ranking", run, columns="Dimensions")
    assert all(name.removeprefix("score ").replace("_", " ").capitalize() in shown(app) for name in board.dimensions)
    table = [row for place in places_of(board, plain_rows(leaderboard(board))) for row in place.rows]
    found = [row["Believability"] for row in labelled_rows(app, "ranking")]
    assert found == [amount(row["score believability"]) for row in table]


def test_a_filter_changes_the_table(run: Path, board: Board) -> None:
    app = open_page("ranking", run)
    everything = rows(app, "ranking")
    partner = app.multiselect(key="partner").options[0]
    app.multiselect(key="partner").set_value([partner]).run()
    found = rows(app, "ranking")
    names = [row["Strategist"] for row in labelled_rows(app, "ranking")]
    assert names == list(leaderboard(board, Filters(partner=(partner,)))["strategist"])
    assert 0 < len(found) < len(everything)


def test_an_address_brings_its_filters(run: Path, board: Board) -> None:
    partner = str(board.table["partner"].iloc[-1])
    app = open_page("ranking", run, partner=[partner], columns="Coverage and cost")
    assert app.multiselect(key="partner").value == [partner]
    assert len(rows(app, "ranking")) == len(leaderboard(board, Filters(partner=(partner,))))
    assert "USD of judging" in shown(app)


@pytest.mark.parametrize("page", PAGES)
def test_names_in_an_address_are_looked_up_and_never_paths(run: Path, page: str) -> None:
    wrong = dict.fromkeys(("run", "partner", "judge", "a", "b", "left", "right", "training"), "../../../../etc/passwd")
    app = open_page(page, run, **wrong)
    assert "root:" not in shown(app)
    if page in ("ranking", "cost"):
        assert rows(app, page)


def test_the_judge_can_be_chosen(run: Path) -> None:
    board = open_board([run])
    other = next(judge for judge in board.judges if "/other/" in judge)
    found = labelled_rows(open_page("ranking", run, judge=other), "ranking")
    expected = leaderboard(open_board([run], other))
    assert sorted(row["Goal"] for row in found) == sorted(amount(goal) for goal in expected["goal"])
    assert list(expected["goal"]) != list(leaderboard(board)["goal"])


def unescaped(text: str) -> str:
    return re.sub(r"\\([\\`*_\[\]<>|$~&])", r"\1", text)


@pytest.mark.parametrize(("page", "name", "key"), [("ranking", "leaderboard", "ranking"), ("cost", "cost", "cost")])
def test_the_downloads_hold_the_table_that_is_shown(
    run: Path, downloaded: dict[str, str], page: str, name: str, key: str
) -> None:
    app = open_page(page, run)
    on_page = rows(app, key)
    read = list(csv.reader(io.StringIO(downloaded[f"{name}.csv"])))
    assert read[0][:3] == ["Environment", "Split", "Pairing"]
    for line, row in zip(read[1:], on_page, strict=True):
        assert len(line) == len(row) + 3
        assert all(text in cell for text, cell in zip(line[3:], row, strict=True))
    lines = downloaded[f"{name}.md"].splitlines()
    cells = [[unescaped(cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert [cells[0], *cells[2:]] == read
    assert downloaded[f"{name}.tex"].count(r"\\") == len(read)
    assert "3 arms" not in downloaded[f"{name}.csv"]


def test_published_figures_stand_apart_with_source_and_caveat(
    run: Path, board: Board, downloaded: dict[str, str]
) -> None:
    from leaderboard.published import NOTICE, published

    app = open_page("ranking", run)
    found, expected = rows(app, "published"), published("sotopia").to_dict("records")
    assert len(found) == len(expected) > 100
    assert NOTICE in words(app)
    for row, given in zip(found, expected, strict=True):
        assert row[0] == given["model"] and given["citation"] in row[-2] and row[-1] == given["caveat"]
    assert not {row[0] for row in found} & {row[1] for row in rows(app, "ranking")}
    assert len(list(csv.reader(io.StringIO(downloaded["published.csv"])))) == len(found) + 1
    assert "AMPO" not in downloaded["leaderboard.csv"]
    assert not rows(open_page("ranking", run, published="false"), "published")


def test_the_matrix_holds_every_difference_and_opens_the_comparison(run: Path, board: Board) -> None:
    app = open_page("matrix", run)
    text = shown(app)
    for row in matrix(board).to_dict("records"):
        if not pd.isna(row["difference"]):
            assert f"{row['difference']:+.2f}" in text
    address = next(iter(re.findall(r'href="(\./compare[^"]*)"', text))).replace("&amp;", "&")
    query = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
    other = open_page("compare", run, **query)
    assert (other.selectbox(key="a").value, other.selectbox(key="b").value) == (query["a"], query["b"])


def test_another_reference_gives_other_differences(run: Path, board: Board) -> None:
    app = open_page("matrix", run, reference="react")
    row = matrix(board, "react").query("strategist == 'epo'").iloc[0]
    assert f"{row['difference']:+.2f}" in shown(app)
    assert "below react" in words(app) or "above react" in words(app)


def test_figure_4_is_a_preset(run: Path, board: Board) -> None:
    found = rows(open_page("matrix", run, show="Figure 4 of the paper"), "figure4")
    assert [row[0] for row in found] == list(figure_4(board)["configuration"])
    assert {"ReAct both", "EPO-RL vs ReAct", "EPO-RL both"} <= {row[0] for row in found}


def test_figure_4_has_the_colours_and_marks_of_the_arms(run: Path, board: Board) -> None:
    page = shown(open_page("matrix", run, show="Figure 4 of the paper"))
    marks = arm_marks(board)
    arms = [board.arms[int(number)].axes for number in figure_4(board)["arm"]]
    expected = [marks.of(axes["strategist"], axes["actor"]) for axes in arms]
    assert re.findall(r'class="dot (\S+) c(\d)"', page) == [(mark.form, str(mark.colour)) for mark in expected]
    assert len({mark.colour for mark in expected}) > 1


def compared(board: Board) -> tuple[str, str, int, int]:
    """Two arms as the address names them, and their numbers."""
    from leaderboard.app.arms import arm_labels

    labels = arm_labels(board)
    names = [name for name in labels if "self-play" in name]
    a, b = (next(name for name in names if name.startswith(f"{kind} +")) for kind in ("vanilla", "epo"))
    return a, b, labels[a], labels[b]


def test_a_comparison_tells_its_figures_and_its_biggest_wins_and_losses(
    run: Path, board: Board, downloaded: dict[str, str]
) -> None:
    a, b, first, second = compared(board)
    app = open_page("compare", run, a=a, b=b)
    found = duel(board, first, second)
    assert found.sentence in words(app)
    wins, losses = extremes(found.tasks, 8)
    assert [row[0] for row in rows(app, "wins")] == list(wins["task_id"])
    assert [row[0] for row in rows(app, "losses")] == list(losses["task_id"])
    assert [row[-1] for row in rows(app, "losses")] == [f"{value:+.2f}" for value in losses["difference"]]
    assert len(downloaded["comparison.csv"].splitlines()) == len(found.tasks) + 1


def test_a_win_opens_both_episodes_with_their_first_divergence_marked(run: Path, board: Board) -> None:
    a, b, first, second = compared(board)
    app = open_page("compare", run, a=a, b=b)
    address = next(iter(re.findall(r'href="(\./compare[^"]*left=[^"]*)"', shown(app)))).replace("&amp;", "&")
    query = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
    text = shown(open_page("compare", run, left=query["left"], right=query["right"]))  # enough to find the arms
    assert text == shown(open_page("compare", run, **query))
    name = next(iter(board.names))
    one, other = (conversation(board, name, query[side]) for side in ("left", "right"))
    parts = divergence(one.record, other.record)
    assert text.count('id="divergence"') == 1
    before = text.split('id="divergence"')[0]
    assert before.count('class="act"') == 2 * (parts.first if parts.first is not None else len(parts.steps))
    assert query["left"] in text and query["right"] in text
    assert duel(board, first, second).tasks["episode_a"].isin([query["left"]]).any()


def test_what_can_not_be_compared_is_said_and_may_be_allowed(run: Path, board: Board) -> None:
    from leaderboard.app.arms import arm_labels

    names = list(arm_labels(board))
    a = next(name for name in names if "self-play" in name and name.startswith("epo +"))
    b = next(name for name in names if "self-play" not in name and name.startswith("epo +"))
    app = open_page("compare", run, a=a, b=b)
    assert "cannot be compared" in words(app)
    assert "cannot be compared" not in words(open_page("compare", run, a=a, b=b, allow=["protocol", "seeds", "tasks"]))
    assert "same arm" in words(open_page("compare", run, a=a, b=a))
    assert "no pair" in words(open_page("compare", run, left="x", right="y"))


def test_episodes_can_be_searched_filtered_and_paged(run: Path, board: Board) -> None:
    app = open_page("episodes", run)
    assert len(rows(app, "episodes")) == 25
    assert f"of {len(board.episodes)}" in words(app)
    last = -(-len(board.episodes) // 25)
    app.number_input(key="page").set_value(last).run()
    assert len(rows(app, "episodes")) == (len(board.episodes) % 25 or 25)
    task = str(board.episodes["task_id"].iloc[0])
    app.text_input(key="search").set_value(task).run()  # the page that was open does not exist any more
    assert not app.exception
    assert {row[1] for row in rows(app, "episodes")} == {task}
    failed = rows(open_page("episodes", run, status=["model"]), "episodes")
    assert len(failed) == int((board.episodes["missing"] == "model").sum()) > 0
    assert "No episode fits" in words(open_page("episodes", run, search="nothing is called so"))


def test_episodes_are_found_by_what_was_said(run: Path, board: Board) -> None:
    found = rows(open_page("episodes", run, phrase="plan 1 for seat 0"), "episodes")
    saying = {
        line["episode_id"]
        for line in map(json.loads, (run / EPISODES).read_text().splitlines())
        if "plan 1 for seat 0" in json.dumps(line)
    }
    assert 0 < len(saying) < len(board.episodes)
    assert len(found) == min(25, len(saying))
    assert {row[0] for row in found} <= {episode[:10] for episode in saying}
    assert "No episode fits" in words(open_page("episodes", run, phrase="nobody said this"))


def test_a_link_opens_an_episode_as_a_conversation(run: Path, board: Board) -> None:
    app = open_page("episodes", run, strategist=["epo"])
    address = next(iter(re.findall(r'href="(\./episodes[^"]*episode=[^"]*)"', shown(app)))).replace("&amp;", "&")
    query = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
    app = open_page("episodes", run, **query)
    read = words(app)
    talk = conversation(board, query["run"], query["episode"])
    assert talk.turns
    for turn in talk.turns:
        assert turn.rendered in read
        assert (turn.strategy or "") in read
        for reward in turn.rewards:
            assert f"process reward {reward.reward:+.2f}" in shown(app)
    assert any(turn.rewards for turn in talk.turns)
    for judgement in talk.judgements:
        assert judgement.judge in read
        assert all(reason in read for seat in judgement.seats for reason in seat.reasons.values())
    assert shown(app).count('class="calls"') >= len(talk.turns)
    app.toggle(key="raw").set_value(True).run()
    assert json.loads(app.code[0].value)["episode_id"] == query["episode"]
    app.button(key="back").click().run()
    assert "episode" not in app.query_params
    assert rows(app, "episodes")


@pytest.mark.parametrize("wanted", ["", "zzzz", "../small", "*"])
def test_an_episode_that_is_not_there_is_said(run: Path, wanted: str) -> None:
    app = open_page("episodes", run, episode=wanted or "  ")
    assert "episode" in words(app)
    assert not app.exception


MARKDOWN = ("markdown", "caption", "title", "header", "subheader", "text", "info", "warning", "error", "success", "metric",
            "expander", "tab", "toast", "latex")  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_no_text_of_a_record_reaches_an_element_that_reads_markdown(run: Path, board: Board, page: str) -> None:
    query = {"run": next(iter(board.names)), "episode": str(board.episodes["episode_id"].iloc[-1])}
    app = open_page(page, run, **(query if page == "episodes" else {}))
    for kind in MARKDOWN:
        for part in app.get(kind):
            assert "nowhere.invalid" not in str(part.proto), kind


def hostile_texts() -> list[str]:
    from tests.browser.payloads import payloads

    return list(payloads("http://nowhere.invalid").values())


ELEMENTS = set(
    "div p span b i a h2 h3 ol ul li dl dt dd details summary table caption thead tbody tr th td section br code pre".split()
)
ATTRIBUTES = {"class", "role", "id", "style", "href", "title", "scope", "tabindex"}


def test_texts_of_records_become_no_element_no_attribute_and_no_address(run: Path, tmp_path: Path) -> None:
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag in ELEMENTS
            for name, value in attrs:
                assert name in ATTRIBUTES or name.startswith(("data-", "aria-"))
                assert name != "href" or str(value).startswith("./")
                assert name != "style" or re.fullmatch(r"((left|width):-?[\d.]+%;?)+", str(value))

    hostile = poisoned(run, tmp_path / "hostile")
    board = open_board([hostile])
    name = next(iter(board.names))
    seen = ""
    for episode in board.episodes["episode_id"].astype(str)[::7]:
        text = shown(open_page("episodes", hostile, run=name, episode=episode))
        Reader().feed(text)
        seen += text
    for text in hostile_texts():
        assert text not in seen or "<" not in text


def poisoned(run: Path, folder: Path) -> Path:
    """The run with a payload in every free text of every record."""
    texts = hostile_texts()
    shutil.copytree(run, folder)
    for path in folder.glob("*.index*"):
        path.unlink()
    count = 0

    def poison(value: Any, key: str = "") -> Any:
        nonlocal count
        if isinstance(value, dict):
            return {name: poison(part, "reason" if key == "reasons" else name) for name, part in value.items()}
        if isinstance(value, list):
            return [poison(part, key) for part in value]
        if isinstance(value, str) and key in {"strategy", "rendered", "action", "observation", "reason", "background", "name",
                                              "text", "message", "closing", "end_reason", "served_model", "flags"}:  # fmt: skip
            count += 1
            return texts[count % len(texts)]
        return value

    for path in folder.glob("*.jsonl"):
        lines = [poison(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert count > len(texts)
    return folder


@pytest.mark.parametrize("what", ["{", "{}", '{"run": 1, "cells": 5}', None])
def test_a_damaged_run_is_left_out_and_named(run: Path, tmp_path: Path, what: str | None) -> None:
    shutil.copytree(run, tmp_path / "good")
    shutil.copytree(run, tmp_path / "bad")
    manifest = json.loads((run / MANIFEST).read_text()) | {"cells": 5, "run": "bad"}
    (tmp_path / "bad" / MANIFEST).write_text(json.dumps(manifest) if what is None else what)
    app = open_page("ranking", tmp_path)
    assert f"{tmp_path / 'bad'} is left out" in words(app)
    assert rows(app, "ranking")


def test_a_copy_of_a_run_is_left_out(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(run, tmp_path / name)
    app = open_page("ranking", tmp_path)
    assert "is a copy of" in words(app)
    assert len(rows(app, "ranking")) == len(rows(open_page("ranking", run), "ranking"))


def test_a_run_that_is_being_played_is_followed(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "going"
    shutil.copytree(run, folder)
    whole = (folder / EPISODES).read_bytes().splitlines(keepends=True)
    (folder / EPISODES).write_bytes(b"".join(whole[:10]))
    assert "being played" not in words(open_page("ranking", folder))
    lock = RunLock(folder)
    lock.acquire()
    try:
        app = page_of("ranking", (folder,), {})
        app.run()
        assert f"being played, 10 of {len(whole)} episodes" in words(app)
        (folder / EPISODES).write_bytes(b"".join(whole[:20]))
        app.run()
        assert f"being played, 20 of {len(whole)} episodes" in words(app)
    finally:
        lock.release()
    assert "being played" not in words(open_page("ranking", folder))


def test_a_lock_left_by_a_killed_process_is_no_running_run(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "killed")
    (tmp_path / "killed" / ".lock").write_text("pid 999999999 on nobody since 2026-01-01 00:00:00")
    (tmp_path / "killed" / EPISODES).touch()
    import os
    import time

    old = time.time() - 3600
    os.utime(tmp_path / "killed" / EPISODES, (old, old))
    assert "being played" not in words(open_page("ranking", tmp_path / "killed"))


def test_the_judges_cards_and_their_agreement(run: Path, board: Board) -> None:
    app = open_page("judges", run)
    assert all(judge in words(app) for judge in board.judges)
    assert "agreement" in shown(app)
    assert len(rows(app, "card")) > 10
    assert "points apart on average" in words(app)


@pytest.mark.parametrize("damage", ["torn", "infinite", "later", "unknown kind"])
def test_the_judges_page_leaves_out_what_can_not_be_read_and_shows_the_rest(
    run: Path, tmp_path: Path, damage: str
) -> None:
    shutil.copytree(run, tmp_path / "good")
    shutil.copytree(run, tmp_path / "bad")
    (tmp_path / "bad" / MANIFEST).write_text(json.dumps(json.loads((run / MANIFEST).read_text()) | {"run": "bad"}))
    lines = (run / JUDGEMENTS).read_text().splitlines()
    record = next(each for each in map(json.loads, lines) if each["scores"])
    if damage == "torn":
        lines[0] = lines[0][:200]
    elif damage == "infinite":
        lines.append(json.dumps(record | {"scores": [dict(seat, goal=float("inf")) for seat in record["scores"]]}))
    elif damage == "later":
        lines.append(json.dumps(record | {"schema_version": 2}))
    else:
        lines.append(json.dumps(record | {"judge": "theirs/x/1", "judgement_id": "0" * 16}))
    (tmp_path / "bad" / JUDGEMENTS).write_text("".join(f"{line}\n" for line in lines))
    app = open_page("judges", tmp_path)
    assert not app.exception
    assert (f"{tmp_path / 'bad'} is left out" in words(app)) == (damage != "unknown kind")
    assert ("theirs/x/1" in words(app)) == (damage == "unknown kind")
    assert len(rows(app, "card")) > 10


def training(folder: Path) -> Path:
    """A training of three iterations, as `harness train` writes it."""

    def result(strategist: str, goal: float, split: str = "test") -> dict[str, Any]:
        return {
            "environment": "sotopia", "split": split, "pairing": "self-play", "strategist": strategist, "planned": 8,
            "finished": 8, "failed": 0, "unscored": 0, "goal": goal, "low": goal - 1, "high": goal + 1, "success": 0.5,
            "run": "held-out/start",
        }  # fmt: skip

    folder.mkdir(parents=True)
    (folder / TRAINING).write_text("{}")
    data = {
        "sequences": 9, "strategies": 30, "tokens": 900, "returns": {"mean": 0.5, "low": 0.0, "high": 1.0, "zero_share": 0.25},
        "weights": {"edges": [0, 0.5, 1], "counts": [12, 18]},
    }  # fmt: skip
    lines = []
    for number in range(3):
        name = f"epo-rl@{number}" if number else "epo"
        lines.append(
            {
                "training": folder.name, "iteration": number, "strategist": name,
                "checkpoint": f"fit/iteration-{number}/model" if number else None,
                "held_out": [result(name, 5.0 + number)] + ([result("vanilla", 4.5)] if not number else []),
                "training_tasks": [result(name, 5.5 + number, "train")] if number < 2 else None,
                "data": data if number else None,
                "fit": {"steps": 2, "loss": [[1, 0.9], [2, 0.7]], "changed": 0.001, "log": "log"} if number else None,
            }
        )  # fmt: skip
    (folder / CURVE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_training_shows_its_curve_loss_returns_weights_and_checkpoints(tmp_path: Path) -> None:
    training(tmp_path / "mini")
    app = open_page("training", tmp_path)
    assert len(app.get("plotly_chart")) == 3
    assert [row[0] for row in rows(app, "returns")] == ["1", "2"]
    assert [row[1] for row in rows(app, "checkpoints")][1:] == ["fit/iteration-1/model", "fit/iteration-2/model"]
    assert len(rows(app, "curve")) == 6
    charts = [json.loads(part.proto.spec) for part in app.get("plotly_chart")]
    trained = next(trace for trace in charts[0]["data"] if trace["name"].startswith("trained, held-out"))
    assert len(trained["x"]) == 3 or "bdata" in trained["x"]


def test_a_training_s_lines_have_the_colours_and_marks_of_its_arms(tmp_path: Path) -> None:
    training(tmp_path / "mini")
    app = open_page("training", tmp_path)
    curve, loss, weights = (json.loads(part.proto.spec)["data"] for part in app.get("plotly_chart"))
    marks = marks_of((name, "m") for name in ("epo", "epo-rl@1", "epo-rl@2", "vanilla"))
    checkpoints = [marks.of(name) for name in ("epo", "epo-rl@1", "epo-rl@2")]
    by_name = {trace["name"].split(" (")[0]: trace for trace in curve}
    trained, learnt, vanilla = (
        by_name[name] for name in ("trained, held-out", "trained, training", "vanilla, held-out")
    )
    assert trained["marker"]["symbol"] == [mark.form for mark in checkpoints]
    assert trained["marker"]["color"] == [mark.hue for mark in checkpoints]
    assert learnt["marker"]["symbol"] == [f"{mark.form}-open" for mark in checkpoints[:2]]
    assert (trained["line"]["dash"], learnt["line"]["dash"]) == ("solid", "dash")
    assert set(vanilla["marker"]["color"]) == {marks.of("vanilla").hue}
    for chart in (loss, weights):
        assert [trace["line"]["color"] for trace in chart] == [mark.hue for mark in checkpoints[1:]]


def test_a_damaged_training_is_said(tmp_path: Path) -> None:
    training(tmp_path / "mini")
    with open(tmp_path / "mini" / CURVE, "a") as file:
        file.write('{"iteration": 3}\n')
    assert "cannot be read" in words(open_page("training", tmp_path))
