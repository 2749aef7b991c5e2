"""People's labels: drawn blind and evenly, taken in by page and file, and held against the judge."""

from __future__ import annotations

import csv
import http.client
import json
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agents.models.base import ChatRequest
from harness.base.errors import BadInput
from harness.base.seeds import seed_from
from harness.cli import main
from harness.commands.labels_page import LabelServer
from harness.judging.cards.report import judge_report
from harness.judging.labels.material import rubric, shown
from harness.judging.labels.sampling import draw_sample
from harness.results.index import latest_episodes
from harness.results.labels import LABELS, Label, append_labels, read_labels, read_sample, sample_path
from harness.results.store import read_manifest, write_manifest
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from leaderboard.app import LABELS as LABELLED
from tests.harness.builders import act, advise, evaluation, experiment
from tests.leaderboard.app_runs import open_page, words
from tests.leaderboard.test_page import Page

TRUTH = re.compile(r"truth (\d+)")


def behave(request: ChatRequest) -> str:
    """Characters say how well they do, those with a strategist two points better; the judge is a point too lenient, and one
    more with `epo`'s manner."""
    who = request.identity
    if who.role == "strategist":
        return advise(request)
    if who.role == "critical":
        return json.dumps({"critical": [{"reason": "first", "strategy": 1}]})
    text = request.messages[0].content
    if who.role == "judge":
        found = [int(number) for number in TRUTH.findall(text)]
        return json.dumps(evaluation(min(10, (found[0] if found else 0) + 1 + ("so well" in text))))
    helped = "plan " in "\n".join(message.content for message in request.messages)
    value = seed_from("truth", who.repeat, text.partition("Scenario: ")[2][:60]) % 7 + 2 * helped
    return act("speak", f"truth {value}" + (" so well" if helped else ""))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms on 24 tasks of SOTOPIA, judged."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    world = {"name": "sotopia", "split": "builtin-test", "tasks": 24, "options": {"max_turns": 4}}
    made = experiment(
        environments=[world],
        models={"m": {"provider": "scripted", "function": "tests.harness.test_labels:behave"}},
        strategists=["vanilla", {"kind": "epo", "model": "m"}],
        process=[{"method": "critical", "model": "m", "options": {"outcome": "hidden"}}],
        judge="m",
    )
    with Run(made, folder) as playing:
        assert execute(playing, Progress(Console(quiet=True))).complete
    return folder


@pytest.fixture
def fresh(run: Path) -> Iterator[Path]:
    """The run without samples and labels."""
    yield run
    for path in (run / LABELS, sample_path(run, "outcome"), sample_path(run, "strategies")):
        path.unlink(missing_ok=True)


def truths(item: dict[str, Any]) -> int:
    return int(TRUTH.findall(item["turns"][0]["did"])[0])


def label_all(run: Path, annotator: str, off: int = 0) -> None:
    """Somebody labels the truth of everything that was drawn."""
    drawn = read_sample(run, "outcome")
    assert drawn is not None
    ids = {item.item: item.episode_id for item in drawn.items}
    labels = []
    for item in shown(run, drawn):
        for question in item["questions"]:
            value = max(0, truths(item) - off) if question["dimension"] == "goal" else 0
            labels.append(
                Label(
                    item=item["item"],
                    episode_id=ids[item["item"]],
                    seat=question["seat"],
                    dimension=question["dimension"],
                    value=value,
                    annotator=annotator,
                    labelled_at="2026-01-01T00:00:00+00:00",
                )
            )
    append_labels(run, labels)


def test_every_arm_is_drawn_on_the_same_tasks_low_scores_and_high_ones(fresh: Path) -> None:
    drawn = draw_sample(fresh, 20)
    rows = latest_episodes(fresh)
    chosen = [rows[item.episode_id] for item in drawn.items]
    assert set(Counter(row["cell"] for row in chosen).values()) == {10}
    by_arm: dict[str, set[str]] = {}
    for row in chosen:
        by_arm.setdefault(row["cell"], set()).add(row["task_id"])
    first, second = by_arm.values()
    assert first == second, "so that arms can be compared"
    assert draw_sample(fresh, 20) == drawn
    assert draw_sample(fresh, 20, seed=2) != drawn
    values = [truths(item) for item in shown(fresh, drawn)]
    assert min(values) < 3 < 5 < max(values)


def test_every_episode_of_an_arm_has_the_same_chance(fresh: Path) -> None:
    counts: Counter[str] = Counter()
    for seed in range(300):
        counts.update(item.episode_id for item in draw_sample(fresh, 12, seed=seed).items)
    assert len(counts) == 48
    assert all(abs(count - 75) < 40 for count in counts.values()), "300 draws of 6 of 24 tasks"


def test_who_labels_learns_neither_arm_nor_score(fresh: Path) -> None:
    drawn = draw_sample(fresh, 20)
    text = json.dumps(shown(fresh, drawn))
    assert not re.search(r"\bvanilla\b|\bepo\b|strategist|\"score|seat_score", text)
    assert not any(item.episode_id in text for item in drawn.items)
    dimensions = {question["dimension"] for item in shown(fresh, drawn) for question in item["questions"]}
    assert len(dimensions) == 7
    assert "how far did it reach the goal" in rubric(drawn)


def test_a_second_sample_is_refused(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "sample", str(fresh), "--n", "12"]) == 0
    assert "12 episodes drawn" in " ".join(capsys.readouterr().out.split())
    assert main(["labels", "sample", str(fresh), "--n", "12"]) == 0
    assert main(["labels", "sample", str(fresh), "--n", "14"]) == 2
    assert "one sample at a time" in " ".join(capsys.readouterr().err.split())


def test_the_file_goes_out_and_comes_in(fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["labels", "sample", str(fresh), "--n", "8"])
    file = tmp_path / "labels.csv"
    assert main(["labels", "export", str(fresh), "--out", str(file)]) == 0
    rows = list(csv.DictReader(file.open(newline="")))
    assert len(rows) == 8 * 7 * 2
    rows[0]["value"], rows[1]["value"] = "3", "-2"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert main(["labels", "import", str(fresh), str(file), "--annotator", "ann"]) == 0
    assert [(label.dimension, label.value) for label in read_labels(fresh)] == [
        (rows[0]["dimension"], 3.0),
        (rows[1]["dimension"], -2.0),
    ]
    rows[0]["value"] = "30"
    file.write_text(file.read_text().replace(",3,", ",30,", 1))
    capsys.readouterr()
    assert main(["labels", "import", str(fresh), str(file), "--annotator", "ann"]) == 2
    assert "row 2" in capsys.readouterr().err
    assert main(["labels", "export", str(fresh), "--out", str(file)]) == 2, "it may hold answers"


@pytest.fixture
def server(fresh: Path) -> Iterator[LabelServer]:
    main(["labels", "sample", str(fresh), "--n", "8"])
    drawn = read_sample(fresh, "outcome")
    assert drawn is not None
    with LabelServer(fresh, drawn) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def ask(server: LabelServer, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=120)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_page_saves_as_one_goes(fresh: Path, server: LabelServer) -> None:
    status, page = ask(server, "GET", f"/?token={server.token}")
    assert status == 200
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    question = data["items"][0]["questions"][0]
    answer = {"item": data["items"][0]["item"], "seat": question["seat"], "turn": None}
    answer |= {"dimension": question["dimension"], "value": 4, "annotator": "ann"}
    assert ask(server, "POST", "/labels", answer, **{"X-Token": server.token}) == (200, "saved")
    assert [(label.annotator, label.value) for label in read_labels(fresh)] == [("ann", 4.0)]
    ask(server, "POST", "/labels", answer | {"value": 5}, **{"X-Token": server.token})
    assert [label.value for label in read_labels(fresh)] == [5.0], "the last answer of a person counts"
    again = ask(server, "GET", f"/?token={server.token}")[1]
    assert json.loads(again.split('id="data">')[1].split("</script>")[0])["given"] == {
        f"{answer['item']}|{answer['seat']}||{answer['dimension']}|ann": 5.0
    }
    for wrong in ({"value": 50}, {"value": "x"}, {"annotator": "../x"}, {"item": "none"}, {"more": 1}, {"turn": 3}):
        assert ask(server, "POST", "/labels", answer | wrong, **{"X-Token": server.token})[0] == 400
    assert len(read_labels(fresh)) == 1


def test_nobody_else_reads_or_writes_labels(server: LabelServer) -> None:
    assert ask(server, "GET", "/")[0] == 403
    assert ask(server, "GET", f"/?token={server.token}", Host="evil.example")[0] == 403
    assert ask(server, "POST", "/labels", {}, **{"X-Token": "guess"})[0] == 403
    assert server.server_address[0] == "127.0.0.1"


def test_a_torn_line_is_cut_off_and_the_rest_stays(fresh: Path) -> None:
    main(["labels", "sample", str(fresh), "--n", "8"])
    label_all(fresh, "ann")
    before = read_labels(fresh)
    with (fresh / LABELS).open("a") as file:
        file.write('{"item": "to')
    assert read_labels(fresh) == before
    label_all(fresh, "bob")
    assert len(read_labels(fresh)) == 2 * len(before)


def test_the_judge_is_held_against_people(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["labels", "sample", str(fresh), "--n", "40"])
    label_all(fresh, "ann")
    label_all(fresh, "bob", off=1)
    capsys.readouterr()
    assert main(["labels", "report", str(fresh)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(r"goal 0\.\d\d 0\.\d\d \d+", out)
    assert "2 annotators: ann, bob." in out
    assert re.search(r"epo \+ m \+2\.\d\d", out)
    assert re.search(r"vanilla \+ m \+1\.\d\d", out)
    assert "The judge gives vanilla + m 1." in out


def test_means_differences_and_ranks_come_with_labels_beside_the_raw_ones(
    fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["labels", "sample", str(fresh), "--n", "40"])
    label_all(fresh, "ann")
    capsys.readouterr()
    assert main(["leaderboard", str(fresh), "--labels"]) == 0
    out = capsys.readouterr().out
    assert "the goal by the judge and people together" in out and "has labels by people" not in out
    for command in ("leaderboard", "compare"):
        assert main([command, str(fresh)]) == 0
        assert f"{fresh} has labels by people: --labels adds" in " ".join(capsys.readouterr().out.split())
    row = next(line for line in out.splitlines() if line.startswith("epo + m"))
    judge, powered = (float(value) for value in re.findall(r"\d+\.\d\d", row)[:2])
    assert judge - powered == pytest.approx(2, abs=0.35), "the judge's leniency is taken off"
    assert "1 (1 to 1)" in row
    assert main(["compare", str(fresh), "--labels", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    raw, powered_gain = found["comparisons"][0]["difference"], found["with_labels"][0]
    assert raw == pytest.approx(3, abs=0.5)
    assert powered_gain["low"] <= 2 <= powered_gain["high"] + 0.1
    assert powered_gain["high"] < raw
    assert main(["compare", str(fresh), "--labels"]) == 0
    assert "with people's labels; the judge alone says +" in " ".join(capsys.readouterr().out.split())


def test_page_and_viewer_say_of_labels_what_compare_says(
    fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["labels", "sample", str(fresh), "--n", "40"])
    label_all(fresh, "ann")
    capsys.readouterr()
    assert main(["compare", str(fresh), "--labels", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (sentence,) = found["sentences"]
    assert found["with_labels"][0]["finding"] == "higher"
    assert sentence.startswith("epo + m against vanilla + m: higher, +")
    assert main(["labels", "report", str(fresh)]) == 0
    biased = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("The judge gives epo"))
    assert main(["leaderboard", str(fresh), "--labels", "--html", str(tmp_path / "page")]) == 0
    terminal = " ".join(capsys.readouterr().out.split())
    page = Page((tmp_path / "page" / "index.html").read_text())
    captions = [table.caption for table in page.tables]
    for said in (sentence, biased):
        assert said in terminal and said in page.text["li"]
    assert any("differences by the judge and people together" in caption for caption in captions)
    assert any("Krippendorff's ordinal alpha" in caption for caption in captions)
    assert main(["leaderboard", str(fresh), "--html", str(tmp_path / "without")]) == 0
    assert "With people" not in (tmp_path / "without" / "index.html").read_text()
    for view in ("ranking", "compare"):
        assert sentence not in words(open_page(view, fresh)), "until it is asked for"
        assert sentence in words(open_page(view, fresh, labels="true"))
    assert biased in words(open_page("judges", fresh, labels="true"))
    assert sentence in words(open_page("ranking", Path(LABELLED), fresh)), "harness viewer --labels"


def test_the_page_of_a_run_without_labels_says_how_to_get_them(
    fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", str(fresh), "--labels", "--html", str(tmp_path)]) == 2
    assert "harness labels sample" in " ".join(capsys.readouterr().err.split())
    assert "labels" not in [toggle.key for toggle in open_page("ranking", fresh).toggle], "nothing to switch on"


def test_two_runs_are_labelled_on_the_same_tasks_and_compared(
    fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(fresh, other)
    write_manifest(other, read_manifest(other) | {"run": "other"})
    assert main(["labels", "sample", str(other), "--like", str(fresh)]) == 2, "nothing was drawn there yet"
    main(["labels", "sample", str(fresh), "--n", "20"])
    assert main(["labels", "sample", str(other), "--like", str(fresh)]) == 0
    one, two = read_sample(fresh, "outcome"), read_sample(other, "outcome")
    assert one is not None
    assert two is not None
    assert {item.episode_id for item in one.items} == {item.episode_id for item in two.items}
    label_all(fresh, "ann")
    label_all(other, "bob", off=1)
    capsys.readouterr()
    arm = "#strategist=vanilla"
    assert main(["compare", f"{fresh}{arm}", f"{other}{arm}", "--labels", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["with_labels"][0]
    assert found["labelled"] == 10
    assert -1 <= found["mean"] < -0.6, "bob is a point stricter, and gives no less than 0"


def test_without_labels_the_commands_say_how_to_get_them(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["leaderboard", str(fresh), "--labels"], ["compare", str(fresh), "--labels"]):
        assert main(command) == 2
        assert "harness labels sample" in " ".join(capsys.readouterr().err.split())


def test_strategies_are_labelled_too_and_critics_are_held_against_them(fresh: Path) -> None:
    main(["labels", "sample", str(fresh), "--strategies", "--n", "16"])
    drawn = read_sample(fresh, "strategies")
    assert drawn is not None
    ids = {item.item: item.episode_id for item in drawn.items}
    labels = [
        Label(
            item=item["item"],
            episode_id=ids[item["item"]],
            seat=question["seat"],
            turn=question["turn"],
            dimension="critical",
            value=float(question["turn"] < 2),
            annotator="ann",
            labelled_at="2026-01-01T00:00:00+00:00",
        )
        for item in shown(fresh, drawn)
        for question in item["questions"]
    ]
    append_labels(fresh, labels)
    card = judge_report([fresh]).process[0]
    assert card.finding("AUROC people").value == 1.0
    assert card.finding("AUROC people").n == len(labels)
    assert card.finding("tells apart").value == 1.0


def test_a_world_that_verifies_needs_no_labels(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nobody has to label"):
        draw_sample(_games(tmp_path), 4)


def _games(folder: Path) -> Path:
    world = {"name": "alfworld", "split": "builtin-test-mini", "tasks": 1, "options": {"max_steps": 2}}
    model = {"provider": "scripted", "function": "examples.planted_judges:obedient"}
    with Run(experiment(environments=[world], models={"m": model}), folder / "games") as run:
        execute(run, Progress(Console(quiet=True)))
    return folder / "games"
