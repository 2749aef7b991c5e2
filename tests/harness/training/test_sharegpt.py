"""EPO's training file: theirs trains here, ours trains there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.commands.train_prepare import print_prepared
from harness.exchange.sharegpt import Written, export_sharegpt
from harness.results.targets import Target
from harness.training.data.dataset import read_dataset, read_manifest
from harness.training.data.prepare import PrepareOptions, prepare
from harness.training.data.sharegpt import read_sharegpt
from tests.extras import required

required("torch")

from tests.harness.training import played, tiny  # noqa: E402

THEIRS: list[dict[str, Any]] = [
    {
        "conversations": [
            {"from": "human", "value": "You advise Ann."},
            {"from": "gpt", "value": "ask him", "score": "0.99"},
            {"from": "human", "value": "Bob said: no"},
            {"from": "gpt", "value": "offer apples", "score": "1.0"},
        ],
        "id": 7,
    },
    {
        "conversations": [
            {"from": "system", "value": "Be brief."},
            {"from": "human", "value": "?"},
            {"from": "gpt", "value": "go"},
        ]
    },
]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    tiny.tokenizer("chatml").save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def written(path: Path, items: Any) -> Path:
    path.write_text(json.dumps(items))
    return path


def exported(prepared: Path, path: Path) -> Written:
    return export_sharegpt(prepared, Target(path, "--out"))


def test_their_file_becomes_sequences_with_its_scores_as_weights(tokenizer: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "rl.json", THEIRS)
    prepare([path], PrepareOptions(), tokenizer, tmp_path / "data")
    first, second = read_dataset(tmp_path / "data")
    assert [span.weight for span in first.spans] == [0.99, 1.0]
    decode = tiny.tokenizer("chatml").decode
    (sequence,) = first.sequences
    texts = [decode(sequence.tokens[span.start : span.end]) for span in sequence.spans]
    assert texts == ["ask him<|im_end|>", "offer apples<|im_end|>"]
    assert [span.weight for span in second.spans] == [0.0]  # no score counts as 0, as in EPO's loader
    assert decode(second.sequences[0].tokens).startswith("<|im_start|>system\nBe brief.")
    manifest = read_manifest(tmp_path / "data")
    assert (manifest["rows_without_task"], manifest["train_tasks"]) == (2, [])


def test_ours_is_theirs_after_a_round_trip(tokenizer: Path, tmp_path: Path) -> None:
    run, _ = played.play(tmp_path / "run")
    prepare([run], PrepareOptions(), tokenizer, tmp_path / "data")
    done = exported(tmp_path / "data", tmp_path / "rl.json")
    assert (done.conversations, done.left_out) == (4, 0)
    prepare([tmp_path / "rl.json"], PrepareOptions(), tokenizer, tmp_path / "again")
    ours, again = read_dataset(tmp_path / "data"), read_dataset(tmp_path / "again")
    for row, same in zip(ours, again, strict=True):
        assert [s.tokens for s in row.sequences] == [s.tokens for s in same.sequences]
        assert [(p.start, p.end, p.weight) for p in row.spans] == [(p.start, p.end, p.weight) for p in same.spans]


def test_what_we_write_passes_the_checks_of_their_loader(tokenizer: Path, tmp_path: Path) -> None:
    """LLaMA-Factory's rules for this layout: human at even places, gpt at odd ones, an even number, a score that `float`
    reads at every gpt."""
    run, _ = played.play(tmp_path / "run")
    prepare([run], PrepareOptions(), tokenizer, tmp_path / "data")
    exported(tmp_path / "data", tmp_path / "rl.json")
    for item in json.loads((tmp_path / "rl.json").read_text()):
        turns = item["conversations"]
        assert len(turns) % 2 == 0
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * (len(turns) // 2)
        assert all(isinstance(turn["score"], str) and 0 <= float(turn["score"]) <= 1 for turn in turns[1::2])


def test_chats_the_format_can_not_hold_are_left_out_and_counted(tokenizer: Path, tmp_path: Path) -> None:
    run, _ = played.play(tmp_path / "run")
    prepare([run], PrepareOptions(layout="per-turn"), tokenizer, tmp_path / "data")
    done = exported(tmp_path / "data", tmp_path / "rl.json")
    assert (done.conversations, done.left_out) == (
        4,
        8,
    )  # a first turn is a whole chat, a later one holds unweighed answers
    assert all(len(item.conversations) == 2 for item in read_sharegpt(tmp_path / "rl.json"))


def test_json_lines_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "rl.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in THEIRS))
    assert [item.scores for item in read_sharegpt(path)] == [[0.99, 1.0], [0.0]]


def with_score(score: Any) -> dict[str, Any]:
    return {"conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y", "score": score}]}


def test_odd_conversations_are_named_and_left_out(
    tokenizer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [{"conversations": [{"from": "gpt", "value": "first"}]}, {"conversations": []}, "text", with_score("high")]
    path = written(tmp_path / "rl.json", [odd[0], THEIRS[0], *odd[1:], THEIRS[1]])
    named: list[str] = []
    assert [item.scores for item in read_sharegpt(path, named)] == [[0.99, 1.0], [0.0]]
    assert [line.split(": ")[0].removeprefix(f"{path}, ") for line in named] == ["item 0", "item 2", "item 3", "item 4"]
    made = prepare([path], PrepareOptions(), tokenizer, tmp_path / "data")
    print_prepared(made)
    shown = capsys.readouterr().out
    assert "4 conversations left out" in shown
    assert f"left out: {path}, item 0: " in shown
    clean = prepare([written(tmp_path / "clean.json", THEIRS)], PrepareOptions(), tokenizer, tmp_path / "clean")
    assert made.manifest["target_tokens"] == clean.manifest["target_tokens"]
    assert "left_out" not in clean.manifest["inputs"][0]


@pytest.mark.parametrize("name", ["rl.jsonl", "rl.json"])
def test_a_line_that_is_broken_is_named_and_the_others_are_read(name: str, tmp_path: Path) -> None:
    half = json.dumps(with_score("1")).replace('"x"', '"\\ud800"')
    lines = [json.dumps(THEIRS[0]), '{"conversations": [', half, json.dumps(THEIRS[1])]
    (tmp_path / name).write_text("\n".join(lines))
    named: list[str] = []
    assert [item.scores for item in read_sharegpt(tmp_path / name, named)] == [[0.99, 1.0], [0.0]]
    assert "line 2: not JSON: " in named[0] and "line 3: it holds half a character" in named[1]


def test_a_line_separator_in_a_text_ends_no_line(tmp_path: Path) -> None:
    item = {"conversations": [{"from": "human", "value": "a\u2028b"}, {"from": "gpt", "value": "c", "score": "1"}]}
    (tmp_path / "rl.jsonl").write_text(json.dumps(item, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_sharegpt(tmp_path / "rl.jsonl")[0].messages[0]["content"] == "a\u2028b"


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"conversations": [{"from": "gpt", "value": "x"}]}], "item 0: .*have to alternate"),
        ([{"conversation": []}], "item 0: conversations"),
        ([THEIRS[0], with_score("nan")], "item 1: conversations.1.score: nan is no number to train with"),
        ([with_score("inf"), THEIRS[0]], "item 0: conversations.1.score: inf is no number"),
        ([with_score(float("nan"))], "item 0: conversations.1.score: nan"),
        ([{"conversations": [{"from": "bot", "value": "x"}]}], "item 0: conversations.0.from"),
        ([{**THEIRS[0], "location": [1], "score": 7}], "item 0: it still has `location`"),
        ({"a": 1}, "item 0: conversations"),
        ([], "no conversations"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_naming_the_place(tmp_path: Path, items: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_sharegpt(written(tmp_path / "rl.json", items))
