"""Every form in which SOTOPIA's dialogues are published becomes a run: shown, judged, trained on; an odd one is left out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.exchange.dialogue_forms import read_action
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS
from harness.training.data.sharegpt import read_sharegpt
from leaderboard.board import leaderboard, open_board

Row = dict[str, Any]
NAMES = ["Ada Moreno", "Bo Lind"]
SAID = [
    (0, 'said: "Hello, Bo.\n\nHow are you?"', ("speak", "Hello, Bo.\n\nHow are you?")),
    (1, '[speak] said: "Hi"', ("speak", "Hi")),
    (0, "[non-verbal communication] smiles", ("non-verbal communication", "smiles")),
    (1, "left the conversation.", ("leave", "")),
]
DIMENSIONS = {"believability": 9.0, "relationship": 3.0, "knowledge": 5.0, "secret": 0.0, "social_rules": 0.0,
              "financial_and_material_benefits": 2.0, "goal": 7.0, "overall_score": 3.7}  # fmt: skip


def start(name: str) -> str:
    goals = "".join(f"{each}'s goal: {'Sell' if each == name else 'Unknown'}\n" for each in NAMES)
    bios = "".join(f"{each}'s background: {each} is a 30-year-old male nurse. \n" for each in NAMES)
    both = f"Here is the context of this interaction:\nScenario: A fence\nParticipants: {NAMES[0]} and {NAMES[1]}\n"
    return f"\n{both}{bios}{goals}Conversation Starts:\n"


def messages() -> list[Any]:
    turns: list[Any] = [[["Environment", name, start(name)] for name in NAMES]]
    for number, (seat, text, _) in enumerate(SAID):
        if number:
            seen = f"Turn #{number - 1}: {NAMES[SAID[number - 1][0]]} {SAID[number - 1][1]}\n"
            turns.append([["Environment", name, seen] for name in NAMES])
        turns[-1] += [[name, "Environment", text if NAMES.index(name) == seat else "did nothing"] for name in NAMES]
    return turns


def log(**changes: Any) -> Row:
    whole = {
        "pk": "01A", "environment": "env-1", "agents": ["a", "b"], "tag": "t", "models": ["gpt-4", "gpt-4o", "gpt-4o"],
        "messages": messages(), "reasoning": "", "rewards": [[3.7, DIMENSIONS], [3.7, DIMENSIONS]], "rewards_prompt": "",
    }  # fmt: skip
    return whole | changes


def row_form(**changes: Any) -> Row:
    """As the SOTOPIA and SOTOPIA-π data sets publish a dialogue."""
    whole = {
        "episode_id": "01A", "environment_id": "env-1", "agent_ids": ["a", "b"], "experiment_tag": "t",
        "experiment_model_name_pairs": ["gpt-4", "gpt-4o", "gpt-4o"], "raw_messages": messages(),
        "raw_rewards": [[3.7, DIMENSIONS], [3.7, DIMENSIONS]], "scenario": "A fence", "codename": "fence",
        "agents_background": dict.fromkeys(NAMES, "A nurse."), "social_goals": {NAMES[0]: "Buy", NAMES[1]: "Sell"},
        "social_interactions": "\n\n".join(line(seat, text) for seat, text, _ in SAID), "reasoning": "", "rewards": [],
    }  # fmt: skip
    return whole | changes


def line(seat: int, text: str) -> str:
    """An act as sotopia renders it for people: a colon behind the name of all but speech."""
    return f"{NAMES[seat]} {text}" if "said:" in text else f"{NAMES[seat]}: {text}"


def annotated_rows() -> list[Row]:
    """As sotopia-rl publishes them: a row per agent; -1 stands for the other's utterances."""
    return [
        {
            "episode_id": "01A", "scenario": "A fence", "agent": name, "goal": "Sell", "is_first_speaker": mine == 0,
            "goal_score": 8.0 if mine == 0 else 4.0,
            "attributed_utterances": {
                f"Utterance {number // 2} by {NAMES[seat]}": [line(seat, text), number if seat == mine else -1]
                for number, (seat, text, _) in enumerate(SAID)
            },
        }
        for mine, name in enumerate(NAMES)
    ]  # fmt: skip


def lines(path: Path) -> list[Row]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").split("\n") if text]


def bring(path: Path, tmp_path: Path) -> Path:
    assert main(["import-episodes", str(path), "--results", str(tmp_path / "results")]) == 0
    return tmp_path / "results/imported"


def as_lines(folder: Path, row: Row) -> Path:
    (folder / "x.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder / "x.jsonl"


def as_csv(folder: Path, row: Row) -> Path:
    with (folder / "x.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([list(row), list(row.values())])
    return folder / "x.csv"


def as_store(folder: Path, row: Row) -> Path:
    (folder / "EpisodeLog").mkdir()
    (folder / "EpisodeLog/01A.json").write_text(json.dumps({key: row[key] for key in row if key != "pk"}))
    (folder / "AgentProfile").mkdir()
    (folder / "AgentProfile/a.json").write_text(json.dumps({"first_name": "Ada", "last_name": "Moreno", "age": 3}))
    return folder


def as_redis(folder: Path, row: Row) -> Path:
    whole = {
        ":sotopia.database.logs.EpisodeLog:01A": row,
        ":sotopia.database.persistent_profile.AgentProfile:a": {"age": 3},
    }
    (folder / "x.json").write_text(json.dumps(whole))
    return folder


@pytest.fixture(autouse=True)
def no_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    (tmp_path / "given").mkdir()
    return tmp_path / "given"


FORMS = {
    "EpisodeLog": (as_lines, log()),
    "EpisodeLog of 0.0.x, without models": (as_lines, log(models=None, tag=None)),
    "local store": (as_store, log()),
    "Redis": (as_redis, log()),
    "row form": (as_lines, row_form()),
    "row form as a table": (as_csv, row_form()),
    "row form with texts for lists": (
        as_lines,
        {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row_form().items()},
    ),
    "rows of text alone": (as_lines, row_form(raw_messages=[])),
    "rows without ids": (
        as_lines,
        {k: v for k, v in row_form().items() if k.startswith(("ep", "scen", "agents", "soc"))},
    ),
    "text in a list": (as_lines, row_form(raw_messages=None, social_interactions=[line(s, t) for s, t, _ in SAID])),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_acts(form: str, tmp_path: Path, no_profiles: Path) -> None:
    write, row = FORMS[form]
    run = bring(write(no_profiles, row), tmp_path)
    (episode,) = lines(run / EPISODES)
    acts = [(turn["seat"], turn["action_kind"], turn["action"]) for turn in episode["turns"]]
    assert acts == [(seat, *act) for seat, _, act in SAID]
    assert [seat["name"] for seat in episode["seats"]] == NAMES
    assert episode["turns"][1]["rendered"] == 'said: "Hi"'
    assert episode["end_reason"] == "Bo Lind left"
    assert main(["show", str(run), episode["episode_id"]]) == 0
    if "without ids" not in form:
        assert [judged["status"] for judged in lines(run / JUDGEMENTS)] == ["scored"]


def test_the_same_dialogue_in_another_form_is_the_same_episode(tmp_path: Path, no_profiles: Path) -> None:
    for row in (log(), row_form()):
        run = bring(as_lines(no_profiles, row), tmp_path)
    assert len(lines(run / EPISODES)) == 1


def test_annotations_become_a_dialogue_with_what_each_act_was_worth(tmp_path: Path, no_profiles: Path) -> None:
    (no_profiles / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in annotated_rows()))
    run = bring(no_profiles, tmp_path)
    (episode,) = lines(run / EPISODES)
    assert [(turn["seat"], turn["action_kind"]) for turn in episode["turns"]] == [
        (seat, act[0]) for seat, _, act in SAID
    ]
    assert "A fence" in episode["judge_background"]
    (worth,) = lines(run / PROCESS_REWARDS)
    assert [(each["turn"], each["seat"], each["credit"]) for each in worth["rewards"]] == [
        (0, 0, 0.0), (1, 1, pytest.approx(1 / 3)), (2, 0, pytest.approx(2 / 3)), (3, 1, 1.0),
    ]  # fmt: skip
    assert [each["reward"] for each in worth["rewards"]] == [0.0, *map(pytest.approx, (1 / 3 * 0.4, 2 / 3 * 0.8, 0.4))]
    assert [scores["goal"] for scores in lines(run / JUDGEMENTS)[0]["scores"]] == [8.0, 4.0]
    assert leaderboard(open_board([run])).iloc[0]["goal"] == 6.0
    assert main(["leaderboard", str(run), "--html", str(tmp_path / "page")]) == 0
    assert main(["show", str(run), episode["episode_id"]]) == 0


def test_imported_dialogues_can_be_trained_on(tmp_path: Path, no_profiles: Path) -> None:
    run = bring(as_lines(no_profiles, row_form()), tmp_path)
    out = tmp_path / "train.json"
    assert (
        main(["export", str(run), "--to", "sharegpt", "--normalize", "none", "--gamma", "0.5", "--out", str(out)]) == 0
    )
    first, second = read_sharegpt(out)
    assert first.scores == pytest.approx([0.35, 0.7])
    assert [json.loads(turn["content"])["action_type"] for turn in second.messages[1::2]] == ["speak", "leave"]
    assert "Ada Moreno said:" in second.messages[0]["content"]
    assert "Scenario: A fence" in second.messages[0]["content"]


def test_annotated_acts_are_trained_on_with_their_worth(tmp_path: Path, no_profiles: Path) -> None:
    (no_profiles / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in annotated_rows()))
    out = tmp_path / "train.json"
    run = bring(no_profiles, tmp_path)
    assert main(["export", str(run), "--to", "sharegpt", "--normalize", "none", "--gamma", "0", "--out", str(out)]) == 0
    assert [item.scores for item in read_sharegpt(out)] == [
        pytest.approx([0.0, 2 / 3 * 0.8]),
        pytest.approx([1 / 3 * 0.4, 0.4]),
    ]


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (log(pk="x", agents=["a", "b", "c"]), "item 2: expected two agents"),
        (log(pk="x", messages=[]), "expected two agents, each told the start"),
        (log(pk="x", messages="text"), "messages: Input should be a valid list"),
        (log(pk="x", messages=messages()[:1] and [[m for m in messages()[0] if m[0] == "Environment"]]), "does anything in it"),
        ({"pk": "x", "agents": ["a"]}, "item 2: environment"),
        ("text", "item 2: expected a dialogue"),
        (annotated_rows()[0] | {"attributed_utterances": {"x": 1}}, "expected 'Utterance N by NAME'"),
    ],
)  # fmt: skip
def test_an_odd_dialogue_is_named_and_left_out(
    odd: Any, said: str, tmp_path: Path, no_profiles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (no_profiles / "x.json").write_text(json.dumps([log(), odd, log(pk="z")]))
    run = bring(no_profiles, tmp_path)
    shown = capsys.readouterr().out
    assert "2 dialogues, 2 with their own scores; 0 were there already; 1 left out" in shown
    assert said in shown.split("left out: ")[1]
    assert len(lines(run / EPISODES)) == 2


def test_a_torn_line_and_a_file_of_something_else_do_not_refuse_the_folder(
    tmp_path: Path, no_profiles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (no_profiles / "x.jsonl").write_text(json.dumps(log()) + '\n{"pk": "torn\n')
    (no_profiles / "page.json").write_text("<!doctype html><html>")
    assert len(lines(bring(no_profiles, tmp_path) / EPISODES)) == 1
    shown = capsys.readouterr().out
    assert "2 left out" in shown
    assert "x.jsonl, line 2: not JSON" in shown
    assert "page.json is an HTML page" in shown


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("left the conversation.", ("leave", "")),
        ("Left the conversation", ("leave", "")),
        ("[leave] left the conversation.", ("leave", "")),
        ("did nothing.", ("none", "")),
        ('[speak] said: "Hi"', ("speak", "Hi")),
        ("[speak] Hi", ("speak", "Hi")),
        (' said: "He said: "no""', ("speak", 'He said: "no"')),
        ("said: Hi", ("speak", "Hi")),
        ("She left the conversation. It was late.", ("speak", "She left the conversation. It was late.")),
        ('said: "I left the conversation."', ("speak", "I left the conversation.")),
        ("[action] left the room", ("action", "left the room")),
        ("Well met.", ("speak", "Well met.")),
    ],
)
def test_actions_are_read_as_what_they_are(text: str, act: tuple[str, str]) -> None:
    assert read_action(text) == act
