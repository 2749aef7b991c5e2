"""The static page: its figures are the table's, it needs nothing but itself, and no name becomes markup."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agents.models.base import ChatRequest
from harness.base.errors import BadInput
from harness.cli import main
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from leaderboard.board import Board, leaderboard, open_board, plain_rows
from leaderboard.cells import amount, interval
from leaderboard.costs import cost_table
from leaderboard.matrix import matrix
from leaderboard.page import is_page, render, write_page
from leaderboard.page.again import own_files
from leaderboard.page.drawings import Dot, dot_text, ticks
from leaderboard.page.markup import document, node
from leaderboard.published import NOTICE, published
from tests.harness.builders import evaluation, experiment, play_or_judge
from tests.shared_data import DEMO, THREE_ENVIRONMENTS

TEN = [
    {"name": "sotopia", "split": "builtin-test", "tasks": 10, "options": {"max_turns": 2}},
    {"name": "webshop", "split": "builtin-test", "tasks": 2, "options": {"max_steps": 2}},
]
HOSTILE = (
    "<script>window.ran=1</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><svg onload=alert(1)>",
    "{{7*7}} ${7*7} &lt;b&gt; \u202e\x00",
)


def behave(request: ChatRequest) -> Any:
    """Everybody plays; the judge's goals differ by task and seat."""
    if request.identity.role != "judge":
        return play_or_judge(request)
    words = len(request.messages[0].content.split())
    answer = evaluation(goal=words % 11, believability=words % 10)
    answer["agent_2"]["goal"]["score"] = words % 7
    return json.dumps(answer)


def play(folder: Path, **changes: Any) -> Path:
    models = {"m": {"provider": "scripted", "function": "tests.leaderboard.test_page:behave"}}
    asked: dict[str, Any] = {
        "models": models,
        "environments": TEN,
        "actors": ["m", "script:random", "script:oracle"],
        "strategists": ["vanilla", "null", {"kind": "epo", "model": "m"}],
        "judge": "m",
    }
    with Run(experiment(**(asked | changes)), folder) as run:
        execute(run, Progress(Console(file=io.StringIO())))
    return folder


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return open_board([play(tmp_path_factory.mktemp("runs") / "a")])


@dataclass
class Table:
    caption: str = ""
    rows: list[list[tuple[str, str | None]]] = field(default_factory=list)
    """Per row the cells' text and value."""


class Page(HTMLParser):
    """What a reader of the page's source finds: tables, all tags with their attributes, all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append(Table())
        elif tag == "tr":
            self.tables[-1].rows.append([])
        elif tag in ("td", "th"):
            self.tables[-1].rows[-1].append(("", dict(attrs).get("data-value")))
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        where = self._open[-1] if self._open else ""
        self.text[where] = self.text.get(where, "") + data
        if where == "caption":
            self.tables[-1].caption += data
        elif {"td", "th"} & set(self._open):
            text, value = self.tables[-1].rows[-1][-1]
            self.tables[-1].rows[-1][-1] = (text + data, value)

    def table(self, caption: str) -> list[dict[str, tuple[str, str | None]]]:
        """The rows of the table whose caption holds a text, by heading."""
        (found,) = [table for table in self.tables if caption in table.caption]
        heads = [text for text, _ in found.rows[0]]
        return [dict(zip(heads, row, strict=True)) for row in found.rows[1:]]


def rows_of(board: Board, environment: str) -> list[dict[str, Any]]:
    return [row for row in plain_rows(leaderboard(board)) if row["environment"] == environment]


@pytest.mark.parametrize("environment", ["sotopia", "webshop"])
def test_the_ranking_on_the_page_is_the_tables_in_its_order_and_in_full_precision(
    board: Board, environment: str
) -> None:
    shown = _ranking(board, environment)
    expected = rows_of(board, environment)
    assert len(shown) == len(expected) >= 3
    for cells, row in zip(shown, expected, strict=True):
        assert (cells["Strategist"][0], cells["Actor"][0]) == (row["strategist"], row["actor"])
        metric = {"sotopia": "Goal", "webshop": "Reward"}[environment]
        assert cells[metric] == (f"{row['goal']:.2f}", repr(row["goal"]))
        assert cells["95 % interval"][0] == f"{row['low']:.2f} … {row['high']:.2f}"
        assert cells["Tasks"][1] == repr(row["tasks"])
        assert cells["Scored / planned"][0] == f"{row['finished']} / {row['planned']}"
        ranked = f"{row['rank']} ({row['rank_low']} to {row['rank_high']})" if row["rank"] else "–"
        assert cells["Rank"][0] == ranked
        told = set(cells["Not told apart"][0].split()) - {"–"}
        assert bool(told) == bool(row["tied_with"])


def _ranking(board: Board, environment: str) -> list[dict[str, tuple[str, str | None]]]:
    metric = {"sotopia": "goal", "webshop": "reward"}[environment]
    return Page(render(board)).table(f"{_place(board, environment)}: mean {metric} with 95 %")


def _place(board: Board, environment: str) -> str:
    row = rows_of(board, environment)[0]
    return " · ".join((row["environment"], row["split"], row["pairing"]))


def test_scripted_agents_stand_on_the_page_without_a_place(board: Board) -> None:
    shown = _ranking(board, "webshop")
    scripted = [cells for cells in shown if cells["Actor"][0].startswith("script:")]
    assert len(scripted) == 2
    assert {cells["Rank"][0] for cells in scripted} == {"–"}


def test_uplift_cost_and_dimensions_are_the_tables(board: Board) -> None:
    page, place = Page(render(board)), _place(board, "sotopia")
    gains = [row for row in plain_rows(matrix(board)) if row["environment"] == "sotopia" and row["pairs"]]
    assert {row["strategist"] for row in gains} == {"null", "epo"}
    for cells, row in zip(page.table(f"{place}: difference in goal"), gains, strict=True):
        assert cells["Difference"] == (f"{row['difference']:+.2f}", repr(row["difference"]))
        assert cells["p, corrected"][1] == repr(row["p_holm"])
    costs = [row for row in plain_rows(cost_table(board)) if row["environment"] == "sotopia"]
    for cells, row in zip(page.table(f"{place}: what playing"), costs, strict=True):
        assert cells["Tokens"] == (f"{row['tokens']:,.0f}", repr(row["tokens"]))
        assert cells["No higher mean for less"][0] == ("yes" if row["pareto"] else "no")
    rows = rows_of(board, "sotopia")
    for cells, row in zip(page.table(f"{place}: mean of each"), rows, strict=True):
        for name in [*board.dimensions, "goal"]:
            assert cells[name.removeprefix("score ").replace("_", " ").capitalize()][1] == repr(row[name])
    assert len(board.dimensions) == 6


def test_the_matrix_has_a_column_per_environment_and_actor_and_no_scripted_row(board: Board) -> None:
    shown = Page(render(board)).table("Mean goal by strategist")
    assert {cells["Strategist"][0] for cells in shown} == {"vanilla", "null", "epo"}
    assert not any("script:" in heading for heading in shown[0])
    assert len(shown[0]) == 1 + 2
    goals = {row["strategist"]: f"{row['goal']:.2f}" for row in rows_of(board, "sotopia")}
    heading = next(name for name in shown[0] if name.startswith("sotopia"))
    assert {cells["Strategist"][0]: cells[heading][0].split()[0][:4] for cells in shown} == goals


def test_published_figures_stand_apart_with_source_and_caveat_and_take_no_place(board: Board) -> None:
    text = render(board)
    page = Page(text)
    shown = page.table("sotopia: published by others")
    expected = plain_rows(published("sotopia"))
    assert len(shown) == len(expected) > 50
    for cells, row in zip(shown, expected, strict=True):
        assert cells["Model"][0] == row["model"]
        assert cells["goal"][1] == ("" if row["goal"] is None else repr(row["goal"]))
        assert row["citation"] in cells["Source"][0]
        assert cells["Caveat"][0] == row["caveat"]
    before, _, apart = text.partition('<section id="published" class="published">')
    assert NOTICE in apart
    names = {row["model"] for row in expected}
    assert not names & {
        text for table in Page(before + "</main></body></html>").tables for row in table.rows for text, _ in row
    }


def test_a_value_that_is_missing_is_a_dash_and_no_number(tmp_path: Path) -> None:
    with Run(experiment(strategists=["vanilla", "null"], judge="m"), tmp_path / "a"):
        pass
    unplayed = open_board([tmp_path / "a"])
    page = Page(render(unplayed))
    for cells in page.table("mean goal with 95 %"):
        assert (cells["Goal"], cells["Rank"][0]) == (("–", ""), "–")
        assert cells["Scored / planned"][0] == "0 / 2"
    assert "nan" not in page.text["td"].lower()


def test_every_chart_says_in_words_what_it_draws(board: Board) -> None:
    text = render(board)
    charts = re.findall(r"<svg [^>]*class=\"chart\".*?</svg>", text, re.DOTALL)
    assert len(charts) == 8
    for chart in charts:
        assert re.search(r"<title>.+?</title><desc>.+?</desc>", chart, re.DOTALL)
    best = rows_of(board, "sotopia")[0]
    said = f"{best['strategist']} + {best['actor']}: {best['goal']:.2f}  [{best['low']:.2f}, {best['high']:.2f}]"
    assert said in text


def test_the_page_needs_nothing_but_itself_and_its_policy_allows_nothing_else(board: Board) -> None:
    text = render(board)
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "form", "base")
        assert not {"src", "srcset", "action", "data", "background", "style"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] or "" for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    style, script = page.text["style"], page.text["script"]
    for name, content in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "@import" not in style
    assert "url(" not in style


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ({"provider": "llamacpp", "model": "smollm2-135m-instruct", "adapter": "alfworld-actor"}, []),
        ({"provider": "llamacpp", "model": "mine/a.gguf", "adapter": "out/b.gguf"}, ["mine/a.gguf", "out/b.gguf"]),
        ({"provider": "llamacpp", "model": "/home/me/a.gguf"}, ["a.gguf"]),
        ({"provider": "vllm", "model": "Qwen/Qwen3-8B", "adapter": "alfworld-strategist"}, []),
        ({"provider": "vllm", "model": "out/fit/iteration-2/model"}, ["out/fit/iteration-2/model"]),
        ({"provider": "transformers", "model": "~/weights", "args": {"adapter": "lora"}}, ["weights", "lora"]),
        ({"provider": "openai", "model": "a/b/c"}, []),
    ],
)
def test_only_files_that_a_reader_lacks_are_named_as_needed(config: dict[str, Any], files: list[str]) -> None:
    assert list(own_files(config)) == files


def test_the_files_that_playing_again_needs_are_named_below_its_command(board: Board) -> None:
    again = render(open_board([DEMO])).partition('<section id="again"')[2].partition("</section>")[0]
    needed = re.findall(r"needs these files.*?</p>", again)
    assert len(needed) == 1
    assert re.findall(r"<code>(.*?)</code>", needed[0]) == ["results/two-warm-1.gguf", "results/two-warm-2.gguf"]
    assert "needs these files" not in render(board)


def test_a_page_of_an_earlier_version_is_still_known_as_ours(tmp_path: Path, board: Board) -> None:
    page = write_page(board, tmp_path)
    assert is_page(page)
    for maker in ("`harness leaderboard --html`", "<code>harness leaderboard --html</code>"):
        page.write_text(f"<footer>Made by {maker}. This page fetches nothing.</footer>")
        assert is_page(page)
    page.write_text("<footer>Made by me.</footer>")
    assert not is_page(page)


@pytest.mark.parametrize("run", [DEMO, THREE_ENVIRONMENTS], ids=lambda run: run.name)
def test_numbers_on_a_cost_chart_cover_no_mark_and_no_number_on_a_phone(run: Path) -> None:
    text = render(open_board([run])).partition('<section id="cost"')[2].partition("</section>")[0]
    for chart in re.findall(r"<svg [^>]*class=\"chart\".*?<div", text, re.DOTALL):
        labels = re.findall(
            r'<svg x="([\d.]+)%" y="([\d.]+)" overflow="visible"><text x="(-?\d+)" y="(-?\d+)" class="tick" '
            r'text-anchor="(\w+)">([\d, ]+)<',
            chart,
        )
        boxes = []
        for x, y, right, down, end, said in labels:
            width = 6.5 * len(said)
            left = float(x) * 3.4 + float(right) - {"start": 0, "middle": width / 2, "end": width}[end]
            boxes.append((left, float(y) + float(down) - 8, left + width, float(y) + float(down)))
        marks = {(float(x) * 3.4, float(y)) for x, y, *_ in labels}
        assert len(boxes) >= 3
        assert not [box for box in boxes for x, y in marks if box[0] < x < box[2] and box[1] < y < box[3]]
        assert all(box[0] >= 0 and box[2] <= 345 for box in boxes)
        for number, one in enumerate(boxes):
            for other in boxes[number + 1 :]:
                assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [(0.575, False, "0.58"), (0.475, True, "+0.48"), (0.875, False, "0.88"), (-0.025, True, "-0.03"),
     (0.1 + 0.2 + 0.175, False, "0.48"), (1.0, True, "+1.00")],
)  # fmt: skip
def test_figures_are_rounded_as_on_paper(value: float, signed: bool, text: str) -> None:
    assert amount(value, signed) == text
    assert text in dot_text(Dot("arm", value, None, None), signed)
    assert interval(value, value, signed) == f"{text} … {text}"


def test_intervals_and_p_values_are_written_one_way(board: Board) -> None:
    text = render(open_board([DEMO]))
    assert not re.findall(r"p(?: =)? 1\.0", text)
    signed = Page(text).table(": difference in success")
    assert all(cells["95 % interval"][0][0] in "+-" for cells in signed)


def test_names_stay_text_wherever_they_stand(tmp_path: Path) -> None:
    names = [{"kind": kind, "name": name} for kind, name in zip(("vanilla", "null", "react"), HOSTILE, strict=False)]
    actors = [{"model": "m", "name": HOSTILE[3]}, {"model": "m", "name": HOSTILE[1]}]
    sotopia = [{"label": HOSTILE[0], **TEN[0], "tasks": 2}]
    run = play(tmp_path / "a", environments=sotopia, strategists=names, actors=actors, description=HOSTILE[2])
    text = render(open_board([run]))
    page = Page(text)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == tags.count("style") == 1
    assert "img" not in tags
    shown = {cells["Strategist"][0] for cells in page.table("mean goal with 95 %")}
    assert shown == set(HOSTILE[:3])
    actor = {cells["Actor"][0] for cells in page.table("mean goal with 95 %")}
    assert actor == {HOSTILE[1], "{{7*7}} ${7*7} &lt;b&gt; \\u202e\\x00"}
    assert "\u202e" not in text
    assert "\x00" not in text


def test_the_same_records_give_the_same_bytes(board: Board) -> None:
    assert render(board) == render(open_board(board.runs))


def test_several_runs_are_told_apart_and_each_says_where_it_comes_from(board: Board, tmp_path: Path) -> None:
    other = play(tmp_path / "b", seed=1)
    both = open_board([*board.runs, other])
    page = Page(render(both))
    runs = {cells["Run"][0] for cells in page.table(f"{_place(both, 'sotopia')}: mean goal with")}
    assert runs == {row["run"] for row in plain_rows(leaderboard(both))}
    assert len(runs) == 2
    for run in both.runs:
        manifest = json.loads((run / "manifest.json").read_text())
        assert manifest["identity"] in page.text["dd"]
        assert all(digest in page.text["dd"] for each in manifest["data"].values() for digest in each.values())


def test_no_address_and_no_folder_of_the_machine_is_told(tmp_path: Path) -> None:
    config = {"provider": "scripted", "function": "tests.leaderboard.test_page:behave"}
    run = play(tmp_path / "a", models={"m": config}, environments=[TEN[0] | {"tasks": 1}], actors=["m"])
    manifest = json.loads((run / "manifest.json").read_text())
    secret = {"provider": "openai", "model": "~/models/mine.gguf", "base_url": "http://10.1.2.3:8000/v1"}
    manifest["config"]["models"]["m"] = secret
    (run / "manifest.json").write_text(json.dumps(manifest))
    text = render(open_board([run]))
    assert "mine.gguf" in text
    assert "models/mine" not in text
    assert "10.1.2.3" not in text
    assert str(tmp_path) not in text


def test_the_command_writes_the_page_beside_the_table(board: Board, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "deep" / "out"
    assert main(["leaderboard", str(board.runs[0]), "--html", str(out), "--format", "csv"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("run,environment")
    assert str(out / "index.html") in said.err
    assert (out / "index.html").read_text() == render(board)
    assert [path.name for path in out.iterdir()] == ["index.html"]


def test_a_folder_that_can_not_be_written_is_said(board: Board, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="give a folder"):
        write_page(board, tmp_path / "file")
    assert main(["leaderboard", str(board.runs[0]), "--html", str(tmp_path / "file")]) == 2
    assert "--html" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.0, 10.0), (-0.37, 0.37), (0.0, 9432.0), (-10.0, 10.0), (0.0, 1e-9)]
)
def test_ticks_are_round_few_and_within_the_axis(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 3 <= len(found) <= 11
    assert all(low - 1e-12 <= tick <= high + 1e-12 for tick in found)
    assert found == sorted(set(found))


def test_what_can_not_be_seen_is_shown_as_its_code() -> None:
    text = document(node("p", "a\u202eb\x00c\ud800\n<i>", title='"\u200b"'))
    assert text == '<!doctype html>\n<p title="&quot;\\u200b&quot;">a\\u202eb\\x00c\\ud800\n&lt;i&gt;</p>\n'
