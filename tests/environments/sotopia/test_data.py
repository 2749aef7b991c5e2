"""Importing the published profiles in each of their encodings."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from environments.sotopia import splits
from environments.sotopia.data import DATA, import_from, recognises
from harness.base.errors import BadInput
from harness.exchange.importing import import_path
from tests.shared_data import shared_data

Row = dict[str, Any]
NORMALISED = ("agents.jsonl", "environments.jsonl", "relationships.jsonl", "combos.jsonl")


def published(name: str) -> list[Row]:
    return [json.loads(line) for line in shared_data("sotopia", f"{name}.jsonl").read_text("utf-8").splitlines()]


def renamed(row: Row, **names: str) -> Row:
    return {names.get(key, key): value for key, value in row.items()}


def as_space(kind: str) -> list[Row]:
    """The rows as sotopia-space encodes them: own id names, relationships as text, "nan" and "none" for nothing,
    list items with blanks, no model ids, some other order."""
    rows = published(kind)
    if kind == "environments":
        rows = [
            renamed(row, pk="env_id")
            | {"relationship": str(row["relationship"]), "occupation_constraint": row["occupation_constraint"] or "nan"}
            | {"agent_constraint": row["agent_constraint"] or "none"}
            for row in rows
        ]
    elif kind == "agents":
        rows = [renamed(row, pk="agent_id") | {"moral_values": [f" {v}" for v in row["moral_values"]]} for row in rows]
        for row in rows:
            row.pop("model_id")
    elif kind == "relationships":
        names = {"pk": "relationship_id", "agent_1_id": "agent1_id", "agent_2_id": "agent2_id"}
        rows = [renamed(row, **names) | {"relationship": str(row["relationship"])} for row in rows]
    else:
        rows = [{"combo_id": row["pk"], "env_id": row["env_id"], "agent_ids": row["agent_ids"]} for row in rows]
    random.Random(5).shuffle(rows)
    return rows


def write_lines(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """A folder as `harness data fetch sotopia` fills it."""
    folder = tmp_path / "fetched"
    folder.mkdir()
    write_lines(folder / "environment_profiles.jsonl", as_space("environments"))
    write_lines(folder / "agent_profiles.jsonl", as_space("agents"))
    write_lines(folder / "relationship_profiles.jsonl", as_space("relationships"))
    combos = [{key: row[key] for key in ("pk", "env_id", "agent_ids")} for row in published("combos")]
    (folder / "env_agent_combos.json").write_text(json.dumps(combos))
    (folder / "sotopia_hard.json").write_text(json.dumps([5, 19]))
    (folder / "downloads.json").write_text("{}")
    return folder


def same_as_published(home: Path, *but_for: str) -> bool:
    """Whether the imported rows are the published ones (but for some fields)."""

    def strip(rows: list[Row]) -> list[Row]:
        return [{key: value for key, value in row.items() if key not in but_for} for row in rows]

    return all(
        strip([json.loads(line) for line in (home / "sotopia" / name).read_text("utf-8").splitlines()])
        == strip(published(name.removesuffix(".jsonl")))
        for name in NORMALISED
    )


def test_the_fetched_files_become_the_normalised_ones(fetched: Path, tmp_path: Path) -> None:
    assert recognises(fetched)
    report = import_from(fetched, tmp_path / "home")
    assert (report.kept, report.what) == (450, "combos")
    assert same_as_published(tmp_path / "home", "model_id")
    assert any("sotopia_hard.json" in line for line in report.skipped)
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["sotopia"]


def test_objects_keyed_by_id_are_read_too(fetched: Path, tmp_path: Path) -> None:
    for name, kind in (("environment_profiles.jsonl", "environments"), ("agent_profiles.jsonl", "agents")):
        (fetched / name).unlink()
        (fetched / f"{kind}.json").write_text(json.dumps({row["pk"]: row for row in published(kind)}))
    import_from(fetched, tmp_path / "home")
    assert same_as_published(tmp_path / "home")


def test_normalised_files_are_imported_as_they_are(empty_home: Path) -> None:
    name, report = import_path(shared_data("sotopia"))
    assert (name, report.kept) == ("sotopia", 450)
    assert len(splits.tasks("hard")) == 70
    for file in NORMALISED:
        assert (empty_home / "sotopia" / file).read_bytes() == shared_data("sotopia", file).read_bytes()


def test_of_two_combo_files_the_canonical_one_is_taken(fetched: Path, tmp_path: Path) -> None:
    write_lines(fetched / "a_storages.jsonl", as_space("combos"))
    report = import_from(fetched, tmp_path / "home")
    assert same_as_published(tmp_path / "home", "model_id")
    assert "a_storages.jsonl: combos in another order or a second copy" in report.skipped


def test_combos_in_another_order_alone_are_refused(fetched: Path, tmp_path: Path) -> None:
    (fetched / "env_agent_combos.json").unlink()
    write_lines(fetched / "env_agent_combo_storages.jsonl", as_space("combos"))
    with pytest.raises(BadInput, match="not in the canonical order"):
        import_from(fetched, tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


def test_a_missing_part_is_named(fetched: Path, tmp_path: Path) -> None:
    (fetched / "agent_profiles.jsonl").write_text('{"agent_id": "torn')
    with pytest.raises(BadInput, match=r"has no SOTOPIA agents;.*not read: agent_profiles.jsonl"):
        import_from(fetched, tmp_path / "home")


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("agent_profiles.jsonl", {"gender": "Robot"}, "agent_profiles.jsonl: row 01H.*gender"),
        ("environment_profiles.jsonl", {"relationship": "9"}, "environment_profiles.jsonl: row 01H.*relationship"),
        ("environment_profiles.jsonl", {"relationship": "friend"}, "relationship must be a number"),
        ("environment_profiles.jsonl", {"agent_goals": ["one"]}, "agent_goals"),
        ("environment_profiles.jsonl", {"scenario": "<p viewer='x'>open"}, "never closed"),
        ("agent_profiles.jsonl", {"agent_id": ""}, "neither 'pk' nor 'agent_id'"),
        ("agent_profiles.jsonl", {"agent_id": "other"}, "names an unknown scenario or character"),
    ],
)
def test_a_row_that_does_not_fit_is_named_and_keeps_what_was_there(
    file: str, change: Row, message: str, fetched: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    import_from(fetched, home)
    before = {path.name: path.read_bytes() for path in (home / "sotopia").iterdir()}
    rows = [json.loads(line) for line in (fetched / file).read_text().splitlines()]
    write_lines(fetched / file, [rows[0] | change, *rows[1:]])
    with pytest.raises(BadInput, match=message):
        import_from(fetched, home)
    assert {path.name: path.read_bytes() for path in (home / "sotopia").iterdir()} == before


def test_other_folders_are_not_taken_for_sotopia(tmp_path: Path) -> None:
    assert not recognises(tmp_path)
    assert not recognises(tmp_path / "nowhere")
    assert not recognises(shared_data("sotopia", "recordings"))
    assert DATA.recognises(shared_data("sotopia"))
