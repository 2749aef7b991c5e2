"""Stages are done once, go on after a kill, and refuse to mix what was made from different things."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import BadInput
from harness.training.loop.stages import Made, Stage, Stages


class Counted:
    """A stage that writes a file, and how often it was done."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.times = folder, 0

    def stage(self, **inputs: object) -> Stage:
        return Stage("play-1", inputs, self._do)

    def _do(self) -> Made:
        self.times += 1
        (self.folder / "made.jsonl").write_text("one\ntwo\n")
        (self.folder / "made.json").write_text("{}")
        return Made([self.folder / "made.jsonl", self.folder / "made.json"], {"goal": 0.5})


def test_a_finished_stage_is_not_repeated_and_keeps_its_numbers(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    first = Stages(tmp_path).run(counted.stage(weights="a"))
    later = Stages(tmp_path)
    again = later.run(counted.stage(weights="a"))
    assert (counted.times, later.done_now) == (1, 0)
    assert again == first
    assert again.numbers == {"goal": 0.5}


def test_a_stage_that_fails_leaves_no_marker_and_is_done_again(tmp_path: Path) -> None:
    def fail() -> Made:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        Stages(tmp_path).run(Stage("play-1", {}, fail))
    assert Stages(tmp_path).marker("play-1") is None


def test_a_finished_stage_made_from_other_inputs_is_refused_showing_the_difference(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    Stages(tmp_path).run(counted.stage(weights="a", tasks=["x", "y"]))
    with pytest.raises(BadInput, match=r"play-1 was made from something else:\n  inputs.weights: 'a' -> 'b'"):
        Stages(tmp_path).run(counted.stage(weights="b", tasks=["x", "y"]))


CHANGES = {
    "missing": (lambda path: path.unlink(), "is missing"),
    "changed": (lambda path: path.write_text("two\none\n"), "was changed"),
    "cut": (lambda path: path.write_text("one\n"), "has 4 bytes instead of 8"),
}


@pytest.mark.parametrize("change", CHANGES, ids=list(CHANGES))
def test_what_a_finished_stage_made_is_checked(tmp_path: Path, change: str) -> None:
    counted = Counted(tmp_path)
    Stages(tmp_path).run(counted.stage())
    do, said = CHANGES[change]
    do(tmp_path / "made.jsonl")
    with pytest.raises(BadInput, match=rf"made\.jsonl.*play-1, {said}.*delete .*stages/play-1\.json"):
        Stages(tmp_path).run(counted.stage())
    assert counted.times == 1


def test_records_may_grow_but_other_files_may_not(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    Stages(tmp_path).run(counted.stage())
    (tmp_path / "made.jsonl").write_text("one\ntwo\nthree\n")
    Stages(tmp_path).run(counted.stage())
    (tmp_path / "made.json").write_text("{} ")
    with pytest.raises(BadInput, match=r"made\.json,.*has 3 bytes instead of 2"):
        Stages(tmp_path).run(counted.stage())


def test_the_hash_of_what_was_made_changes_with_it_and_with_nothing_else(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    hashes = []
    for folder, text in ((one, "a"), (two, "a"), (two, "b")):
        folder.mkdir(exist_ok=True)

        def do(folder: Path = folder, text: str = text) -> Made:
            (folder / "made").write_text(text)
            return Made([folder / "made"])

        hashes.append(Stages(folder).run(Stage(f"stage-{text}", {}, do)).outputs_hash)
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_marker_that_can_not_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "play-1.json").write_text('{"stage": "play-1"')
    with pytest.raises(BadInput, match=r"play-1\.json cannot be read .*delete it to do that stage again"):
        Stages(tmp_path).marker("play-1")
