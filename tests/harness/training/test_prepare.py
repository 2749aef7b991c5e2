"""Training sees exactly the contexts that were played, and the strategies with their own returns."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.judging.rewards.returns import returns
from harness.results.leaks import task_hash
from harness.results.records import EpisodeRecord, ProcessRewardRecord
from harness.results.store import EPISODES, PROCESS_REWARDS, scan
from harness.training.data.contexts import ChatTokens
from harness.training.data.dataset import DATASET, Row, read_dataset, read_manifest
from harness.training.data.prepare import PrepareOptions, prepare
from tests.extras import required

required("torch")

from tests.harness.training import played, tiny  # noqa: E402

Maker = Callable[..., list[Row]]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tiny.tokenizer("chatml").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The played run, and what its strategist's server received."""
    return played.play(tmp_path_factory.mktemp("run"))


@pytest.fixture
def made(run: tuple[Path, list[dict[str, Any]]], tokenizer: Path, tmp_path: Path) -> Maker:
    def make(folder: Path = run[0], **options: Any) -> list[Row]:
        prepare([folder], PrepareOptions(**options), tokenizer, tmp_path / "data")
        return read_dataset(tmp_path / "data")

    return make


def tokens_of(folder: Path) -> ChatTokens:
    import transformers

    return ChatTokens(transformers.AutoTokenizer.from_pretrained(folder))


@pytest.mark.parametrize(
    "options", [{"layout": "chat"}, {"layout": "chat", "target": "sampled"}, {"layout": "per-turn"}]
)
def test_every_strategy_stands_behind_exactly_what_the_server_received(
    made: Maker, run: tuple[Path, list[dict[str, Any]]], tokenizer: Path, options: dict[str, Any]
) -> None:
    chats = tokens_of(tokenizer)
    received = sorted(chats.context(body["messages"]) for body in run[1])
    rows = made(**options)
    seen = [sequence.tokens[: span.start] for row in rows for sequence in row.sequences for span in sequence.spans]
    assert len(seen) == 12  # 2 tasks, both seats, 3 turns each
    assert sorted(seen) == received


def test_chat_is_one_sequence_per_seat_and_per_turn_one_per_strategy(made: Maker) -> None:
    assert [len(row.sequences) for row in made(layout="chat")] == [1, 1, 1, 1]
    assert [len(row.sequences) for row in made(layout="per-turn")] == [3, 3, 3, 3]


def test_the_trained_text_is_the_strategy_of_the_chat_or_what_the_model_wrote(made: Maker, tokenizer: Path) -> None:
    decode = tokens_of(tokenizer).tokenizer.decode

    def texts(rows: list[Row]) -> list[str]:
        return [decode(s.tokens[span.start : span.end]) for row in rows for s in row.sequences for span in s.spans]

    words = [f"plan {n}, ask what the other wants<|im_end|>" for n in (0, 1, 2)] * 4
    assert texts(made(layout="chat")) == words
    assert texts(made(layout="per-turn")) == [f"Strategy: {each}" for each in words]
    assert texts(made(layout="per-turn", target="chat")) == words


def test_weights_are_the_returns_of_the_right_strategies(made: Maker, run: tuple[Path, list[dict[str, Any]]]) -> None:
    records = [ProcessRewardRecord.model_validate_json(line) for _, line in scan(run[0] / PROCESS_REWARDS)]
    rewards = {record.episode_id: record.rewards or [] for record in records}
    for row in made(layout="chat"):
        episode, seat = row.id.split("/")
        own = [reward for reward in rewards[episode] if reward.seat == int(seat)]
        assert [reward.reward for reward in own] == [0.0, 1.0, 0.5]  # the second is critical, the last has the outcome
        spans = row.sequences[0].spans
        assert [span.turn for span in spans] == [reward.turn for reward in own]
        assert [span.weight for span in spans] == returns([[0.0, 1.0, 0.5]])[0]
        assert [span.value for span in spans] == pytest.approx([0.99 * 1.495, 1.495, 0.5])


def test_normalisation_and_baseline_reach_the_weights(made: Maker) -> None:
    def weights(**options: Any) -> list[float]:
        return [span.weight for row in made(**options) for span in row.spans]

    raw = [0.99 * 1.495, 1.495, 0.5] * 4
    assert weights(normalize="none") == pytest.approx(raw)
    mean = sum(raw) / len(raw)
    assert weights(normalize="none", baseline="mean") == pytest.approx([value - mean for value in raw])
    spread = (sum((value - mean) ** 2 for value in raw) / len(raw)) ** 0.5
    assert weights(normalize="batch") == pytest.approx([(value - mean) / spread for value in raw])


def test_a_strategy_is_whole_or_dropped_with_its_return(made: Maker, tokenizer: Path) -> None:
    whole = made(layout="chat")
    ends = [[span.end for span in row.sequences[0].spans] for row in whole]
    limit = min(row[1] for row in ends)
    rows = made(layout="chat", max_length=limit)
    for row in rows:
        full = next(each for each in whole if each.id == row.id)
        kept = row.sequences[0].spans
        assert kept == [span for span in full.sequences[0].spans if span.end <= limit]
        assert row.sequences[0].tokens == full.sequences[0].tokens[: kept[-1].end]
    dropped = sum(end > limit for row in ends for end in row)
    assert sum(len(row.sequences[0].spans) for row in rows) == 12 - dropped
    assert dropped > 0


@pytest.mark.parametrize("beyond", [1, 2], ids=["last token", "last two tokens"])
@pytest.mark.parametrize("layout", ["chat", "per-turn"])
def test_a_strategy_that_straddles_the_limit_is_dropped(made: Maker, layout: str, beyond: int) -> None:
    """It begins within `max_length` and ends beyond it: half a strategy would be trained on as if it were whole."""
    spans = [span for row in made(layout=layout) for sequence in row.sequences for span in sequence.spans]
    straddling = max(spans, key=lambda span: span.end)
    limit = straddling.end - beyond
    assert straddling.start < limit < straddling.end
    kept = [span for row in made(layout=layout, max_length=limit) for span in row.spans]
    assert len(kept) == sum(span.end <= limit for span in spans) < len(spans)
    assert all(span.end <= limit for span in kept)


def test_what_was_dropped_is_counted(made: Maker, tmp_path: Path) -> None:
    limit = min(row.sequences[0].spans[1].end for row in made(layout="chat"))
    rows = made(layout="chat", max_length=limit)
    manifest = read_manifest(tmp_path / "data")
    assert manifest["strategies"] == sum(len(list(row.spans)) for row in rows)
    assert manifest["dropped_too_long"] == 12 - manifest["strategies"]
    assert manifest["tokens"] == sum(len(sequence.tokens) for row in rows for sequence in row.sequences)


def test_the_same_inputs_give_the_same_bytes(made: Maker, tmp_path: Path) -> None:
    made()
    before = [(tmp_path / "data" / name).read_bytes() for name in (DATASET, "manifest.json")]
    made()
    assert before == [(tmp_path / "data" / name).read_bytes() for name in (DATASET, "manifest.json")]


def edited(run: Path, folder: Path, change: Callable[[EpisodeRecord], None]) -> Path:
    """A copy of the run with changed episodes."""
    folder.mkdir()
    for name in ("manifest.json", PROCESS_REWARDS):
        (folder / name).write_bytes((run / name).read_bytes())
    episodes = [EpisodeRecord.model_validate_json(line) for _, line in scan(run / EPISODES)]
    for episode in episodes:
        change(episode)
    (folder / EPISODES).write_text("".join(episode.model_dump_json() + "\n" for episode in episodes))
    return folder


def test_the_engine_s_token_ids_are_kept(
    made: Maker, run: tuple[Path, list[dict[str, Any]]], tokenizer: Path, tmp_path: Path
) -> None:
    """Sampled ids that the text would not be encoded to, one token per byte, stay what they are, and are counted as drift."""
    chats = tokens_of(tokenizer)
    bytewise = [chats.encode(letter)[0] for letter in "Strategy:xyz"]
    ending = chats.ending

    def engine(episode: EpisodeRecord) -> None:
        for call in episode.calls:
            if call.role == "strategist":
                call.token_ids = bytewise + (ending if call.ordinal else [])

    rows = made(edited(run[0], tmp_path / "ids", engine), layout="per-turn")
    targets = [s.tokens[span.start : span.end] for row in rows for s in row.sequences for span in s.spans]
    assert targets == [bytewise + ending] * 12  # the end of turn, where the engine left it out, is put there
    manifest = read_manifest(tmp_path / "data")
    assert (manifest["from_engine"], manifest["drifted"]) == (12, 12)


def test_reasoning_is_trained_on_only_as_sampled_tokens(
    made: Maker, run: tuple[Path, list[dict[str, Any]]], tokenizer: Path, tmp_path: Path
) -> None:
    """The record's text is the answer alone; the engine's ids are all that the model wrote."""
    chats = tokens_of(tokenizer)
    thought = [chats.encode(letter)[0] for letter in "hm"]

    def thinking(episode: EpisodeRecord) -> None:
        for call in episode.calls:
            if call.role == "strategist":
                call.reasoning = "zebra plan"
                call.token_ids = thought + chats.encode(call.text or "")

    folder = edited(run[0], tmp_path / "thinking", thinking)
    sampled = made(folder, layout="per-turn")
    assert all(
        s.tokens[span.start :][: len(thought)] == thought for row in sampled for s in row.sequences for span in s.spans
    )
    manifest = read_manifest(tmp_path / "data")
    assert (manifest["drifted"], manifest["drift_unknown"]) == (0, 12)
    plain = [row.model_dump() for row in made(layout="chat", target="chat")]
    assert [row.model_dump() for row in made(folder, layout="chat", target="chat")] == plain
    assert "zebra" not in json.dumps(plain)


def test_an_answer_cut_at_the_limit_has_no_end_of_turn(
    made: Maker, run: tuple[Path, list[dict[str, Any]]], tokenizer: Path, tmp_path: Path
) -> None:
    def cut(episode: EpisodeRecord) -> None:
        for call in episode.calls:
            if call.role == "strategist":
                call.finish_reason = "length"

    rows = made(edited(run[0], tmp_path / "cut", cut), layout="per-turn")
    ending = tokens_of(tokenizer).ending
    assert all(s.tokens[span.end - 1 : span.end] != ending for row in rows for s in row.sequences for span in s.spans)


@pytest.mark.parametrize(("more", "drifted"), [(0, 0), (1, 0), (3, 12)])
def test_without_token_ids_drift_is_told_by_the_engine_s_count(
    made: Maker, run: tuple[Path, list[dict[str, Any]]], tokenizer: Path, tmp_path: Path, more: int, drifted: int
) -> None:
    chats = tokens_of(tokenizer)

    def counted(episode: EpisodeRecord) -> None:
        for call in episode.calls:
            if call.role == "strategist":
                call.completion_tokens = len(chats.encode(call.text or "")) + more

    made(edited(run[0], tmp_path / f"counted{more}", counted))
    assert read_manifest(tmp_path / "data")["drifted"] == drifted


def test_a_reward_that_is_missing_leaves_its_strategy_in_the_context_only(
    made: Maker, run: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    folder = edited(run[0], tmp_path / "budget", lambda episode: None)
    records = [json.loads(line) for _, line in scan(folder / PROCESS_REWARDS)]
    for record in records:
        record["rewards"] = [reward for reward in record["rewards"] if reward["reward"] != 1.0]
    (folder / PROCESS_REWARDS).write_text("".join(json.dumps(record) + "\n" for record in records))
    for row in made(folder):
        (sequence,) = row.sequences
        assert [span.reward for span in sequence.spans] == [0.0, 0.5]
        assert sum(message.role == "assistant" for message in sequence.messages) == 3
    assert read_manifest(tmp_path / "data")["without_reward"] == 4


def test_a_chat_that_was_cut_begins_a_new_sequence(tokenizer: Path, tmp_path: Path) -> None:
    folder, received = played.play(tmp_path / "run", strategists=[{"kind": "epo", "model": "s", "history": 1}])
    prepare([folder], PrepareOptions(), tokenizer, tmp_path / "data")
    rows = read_dataset(tmp_path / "data")
    seen = [s.tokens[: span.start] for row in rows for s in row.sequences for span in s.spans]
    assert sorted(seen) == sorted(tokens_of(tokenizer).context(body["messages"]) for body in received)
    assert [len(row.sequences) for row in rows] == [2, 2, 2, 2]
    assert read_manifest(tmp_path / "data")["split"] == 4


def test_a_strategy_asked_for_twice_is_trained_in_the_context_of_the_second_call(
    tokenizer: Path, tmp_path: Path
) -> None:
    def handler(body: dict[str, Any]) -> str:
        asked_again = "could not be read as a strategy" in body["messages"][-1]["content"]
        return "Strategy: after all" if asked_again else "## Strategy"

    folder, received = played.play(tmp_path / "run", handler)
    prepare([folder], PrepareOptions(layout="per-turn"), tokenizer, tmp_path / "data")
    rows = read_dataset(tmp_path / "data")
    again = [
        body
        for body in received
        if len(body["messages"]) > 1 and "could not be read" in body["messages"][-1]["content"]
    ]
    seen = [s.tokens[: span.start] for row in rows for s in row.sequences for span in s.spans]
    assert len(seen) == 12
    assert sorted(seen) == sorted(tokens_of(tokenizer).context(body["messages"]) for body in again)


def test_a_held_out_task_is_refused_by_name(
    made: Maker, run: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    task = next(iter(json.loads(line) for _, line in scan(run[0] / EPISODES)))["task_id"]
    with pytest.raises(BadInput, match=f"1 of the 2 training tasks are held out for evaluation: sotopia/{task}"):
        made(held_out=[task_hash("sotopia", task)])
    assert not (tmp_path / "data").exists()
    made(held_out=[task_hash("sotopia", "another")])
    manifest = read_manifest(tmp_path / "data")
    assert manifest["test_tasks"] == [task_hash("sotopia", "another")]
    assert len(manifest["train_tasks"]) == 2 and task_hash("sotopia", task) in manifest["train_tasks"]


def test_only_the_named_models_strategies_are_trained(made: Maker) -> None:
    assert len(made(models=["s"])) == 4
    with pytest.raises(BadInput, match="nothing is left to train on"):
        made(models=["other"])


def test_runs_without_or_with_several_kinds_of_rewards_are_refused(
    made: Maker, run: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    bare = edited(run[0], tmp_path / "bare", lambda episode: None)
    rewards = bare / PROCESS_REWARDS
    text = rewards.read_text()
    rewards.write_text("")
    with pytest.raises(BadInput, match="harness judge .* --process METHOD"):
        made(bare)
    other = text.replace("critical/", "other/").replace('"process_id":"', '"process_id":"x')
    rewards.write_text(text + other)
    with pytest.raises(BadInput, match="2 labels; say which"):
        made(bare)
    label = json.loads(text.splitlines()[0])["label"]
    assert len(made(bare, rewards=label)) == 4


def test_a_folder_with_something_else_is_not_written_over(
    run: tuple[Path, list[dict[str, Any]]], tokenizer: Path
) -> None:
    with pytest.raises(BadInput, match="holds something else"):
        prepare([run[0]], PrepareOptions(), tokenizer, tokenizer)


@pytest.mark.parametrize("layout", ["chat", "per-turn"])
@pytest.mark.parametrize("keep", ["weighted", "positive"])
def test_strategies_left_out_cost_nothing_and_the_others_teach_what_they_taught(
    made: Maker, tmp_path: Path, layout: str, keep: str
) -> None:
    """L = -1/K sum w l: each kept weight over the kept number is the whole row's weight over the whole number."""
    options = {"layout": layout, "gamma": 0.0, "normalize": "none", "baseline": "mean"}
    whole = {row.id: row for row in made(**options)}
    wanted: dict[str, dict[int, float]] = {}
    left_out = 0
    for name, row in whole.items():
        shares = {span.turn: span.weight / len(list(row.spans)) for span in row.spans}
        stays = {turn: share for turn, share in shares.items() if share > 0 or (keep == "weighted" and share < 0)}
        left_out += len(shares) - len(stays)
        if stays:
            wanted[name] = stays
    assert wanted
    rows = made(**options, keep=keep)
    found = {row.id: {span.turn: span.weight / len(list(row.spans)) for span in row.spans} for row in rows}
    assert found.keys() == wanted.keys()
    for name, shares in wanted.items():
        assert found[name] == pytest.approx(shares)
        if layout == "per-turn":
            assert len(next(row for row in rows if row.id == name).sequences) == len(shares)
    assert read_manifest(tmp_path / "data")["left_out"] == left_out


def test_rewards_of_episodes_that_instruct_the_judge_are_left_out_unless_they_are_kept(
    run: tuple[Path, list[dict[str, Any]]], tokenizer: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "run"
    shutil.copytree(run[0], copied)
    lines = (copied / PROCESS_REWARDS).read_text().splitlines()
    first = json.loads(lines[0]) | {"flags": ["asks for a score (turn 1)"]}
    (copied / PROCESS_REWARDS).write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
    made = {
        flagged: prepare([copied], PrepareOptions(flagged=flagged), tokenizer, tmp_path / flagged).manifest
        for flagged in ("leave-out", "keep")
    }
    assert (made["leave-out"]["episodes_flagged"], made["keep"]["episodes_flagged"]) == (1, 0)
    assert made["keep"]["rows"] == made["leave-out"]["rows"] + 2, "both seats of the episode"
    assert made["leave-out"]["format"] == 3, "what it leaves out by default is another version"


def test_one_data_set_is_made_of_runs_with_rewards_of_several_labels(
    run: tuple[Path, list[dict[str, Any]]], tokenizer: Path, tmp_path: Path
) -> None:
    """One run has them for all episodes, another one for an episode each."""
    label = json.loads((run[0] / PROCESS_REWARDS).read_text().splitlines()[0])["label"]
    split = edited(run[0], tmp_path / "split", lambda episode: None)
    first, *others = (split / PROCESS_REWARDS).read_text().splitlines()
    renamed = first.replace(f'"label":"{label}"', '"label":"mine"').replace('"process_id":"', '"process_id":"x')
    (split / PROCESS_REWARDS).write_text("\n".join([renamed, *others]) + "\n")
    runs = [run[0], split]

    def made(rewards: Any, out: str = "data") -> dict[str, Any]:
        return prepare(runs, PrepareOptions(rewards=rewards), tokenizer, tmp_path / out).manifest

    assert made([label, "mine"])["rows"] == 8, "both seats of two episodes, twice"
    assert [used["rewards"] for used in made([label, "mine"])["inputs"]] == [label, sorted([label, "mine"])]
    assert made({"split": "mine"})["rows"] == 6, "and the other run's only ones"
    with pytest.raises(BadInput, match=r"`rewards`: 'spilt' is none of the runs .*split.* Did you mean|spilt"):
        made({"spilt": "mine"})
    with pytest.raises(BadInput, match="has no process rewards 'mine'"):
        made("mine")
    (split / PROCESS_REWARDS).write_text("\n".join([renamed, first, *others]) + "\n")
    with pytest.raises(BadInput, match=r"episode \w+ has process rewards .*name one of them in `rewards`"):
        made([label, "mine"])
