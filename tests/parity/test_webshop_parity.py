"""Every recording of the original WebShop, replayed: observations, actions, rewards, rankings, tokens, stems."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.parity.webshop import main, replay
from tests.parity.webshop_original import Reference
from tests.shared_data import shared_data


def test_all_recordings_replay_without_a_mismatch(capsys: pytest.CaptureFixture[str]) -> None:
    code = main([str(shared_data("webshop", "recordings")), "--items", str(shared_data("webshop"))])
    last = capsys.readouterr().out.strip().splitlines()
    assert code == 0, "\n".join(last)
    assert last[-1] == ("339 episodes, 3262 steps, 0 mismatches; 112 queries, 0 mismatches; 273 rewards, 0 mismatches")
    assert "3601 HTML pages, 0 mismatches" in last
    assert "256 analyser texts, 0 mismatches" in last
    assert "8890 stems, 0 mismatches" in last
    assert "557 string pairs, 0 mismatches" in last


CHANGES = {
    "an observation": ("episodes", lambda row: row["steps"][0].update(observation=row["initial"]["observation"] + "x")),
    "a rich observation": ("episodes", lambda row: row["initial"].update(observation_text_rich="x")),
    "an action list": ("episodes", lambda row: row["steps"][0]["available_actions"]["clickables"].reverse()),
    "an address": ("episodes", lambda row: row["steps"][0].update(url="http://elsewhere")),
    "a reward": ("episodes", lambda row: row["steps"][0].update(reward=0.5)),
    "the end of an episode": ("episodes", lambda row: row["steps"][0].update(done=True)),
    "an exception": ("episodes", lambda row: row["steps"][0].update(exception={"type": "KeyError", "message": "None"})),
    "the final session": ("episodes", lambda row: row["final_session"].update(page=99)),
    "two ranks": ("queries", lambda row: row["ranked_asins"].reverse()),
    "a score in the last bit": (
        "queries",
        lambda row: row["hits"][0].update(lucene_score=row["hits"][0]["lucene_score"] * (1 + 2**-23)),
    ),
    "a rounded score": ("queries", lambda row: row["hits"][0].update(score=row["hits"][0]["score"] + 2e-5)),
    "a reward vector": ("rewards", lambda row: row.update(reward=row["reward"] + 1e-9)),
    "a truth value": ("rewards", lambda row: row.update(r_price=1 - row["r_price"])),
    "a token": ("analyzer", lambda row: row["tokens"].append("x")),
    "a stem": ("stems", lambda row: row.update(stem=row["stem"] + "x")),
    "a string match": ("fuzz", lambda row: row.update(score=row["score"] + 1)),
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference(shared_data("webshop"), tmp_path_factory.mktemp("catalogue"))


@pytest.mark.parametrize("what", CHANGES)
def test_the_replay_notices(what: str, reference: Reference, tmp_path: Path) -> None:
    name, change = CHANGES[what]
    with gzip.open(shared_data("webshop", "recordings", f"{name}.jsonl.gz"), "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][:20]
    changed = next(row for row in rows if what != "a rich observation" or "observation_text_rich" in row["initial"])
    change(changed)
    path = tmp_path / "changed.jsonl"
    path.write_text(json.dumps(changed) + "\n", encoding="utf-8")
    tally = replay([path], reference)
    assert sum(tally.wrong.values()) >= 1
    assert tally.shown
