"""Published figures: every row has a source, the values are those that were read, and none of them is ever ranked."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from harness.base.errors import BadInput
from harness.cli import main
from leaderboard.published import METRICS, PATH, Published, published, read_published
from tests.harness.gate_runs import play

COUNTS = {
    "AMPO / ASL": 24 * 4,
    "AMPO / ASL, other judges": 3 * 2,
    "Sotopia-RL, Table 1": 2,
    "Sotopia-RL, Table 2": 4,
    "Sotopia-RL, Table 6": 1 + 5,
    "iStar": 4 + 5,
    "SDPO": 6 * 2,
    "SOTOPIA-Omega": 5 * 4,
    "SOTOPIA-pi": 2,
    "sotopia-space leaderboard": 4,
    "Savoir": 4,
    "ALSO": 5 * 2,
    "RewardWeaver": 3 * 4,
    "independent GPT-4o re-run": 2,
}


def value(source: str, model: str, split: str | None, setting: str | None, metric: str) -> float:
    rows = published()
    rows = rows[(rows["source"] == source) & (rows["model"] == model)]
    for name, wanted in (("split", split), ("setting", setting)):
        if wanted is not None:
            rows = rows[rows[name] == wanted]
    assert len(rows) == 1, rows
    return float(rows.iloc[0][metric])


def test_every_row_of_every_source_is_there() -> None:
    assert published().groupby("source").size().to_dict() == COUNTS


def test_every_row_names_its_source_its_caveat_and_a_value() -> None:
    table = published()
    assert (table[["source", "citation", "caveat"]].map(len) > 0).all().all()
    assert table[list(METRICS)].notna().any(axis=1).all()
    assert ((table["setting"] == "partner") == table["partner"].notna()).all()


@pytest.mark.parametrize(
    ("source", "model", "split", "setting", "metric", "expected"),
    [
        ("AMPO / ASL", "Qwen2.5-7B + EPO", "all", "partner", "goal", 8.41),
        ("AMPO / ASL", "Llama3.1-8B + EPO", "hard", "partner", "overall", 3.53),
        ("AMPO / ASL", "Llama3.1-8B + AMPO", "hard", "self-play", "goal", 8.06),
        ("AMPO / ASL", "o3-mini", "hard", "self-play", "overall", 2.36),
        ("Sotopia-RL, Table 2", "Sotopia-RL", "all", None, "goal", 8.57),
        ("iStar", "GPT-5", None, None, "score", 66.1),
        ("iStar", "GPT-5", None, None, "success", 37.5),
        ("SDPO", "Llama-8B + BC + SDPO", None, "partner", "relationship", 3.16),
        ("SOTOPIA-Omega", "DSI", "hard", "self-play", "goal", 7.28),
        ("sotopia-space leaderboard", "GPT-4", None, None, "knowledge", 3.73),
        ("sotopia-space leaderboard", "GPT-4", None, None, "social_rules", -0.07),
        ("RewardWeaver", "RewardWeaver", "hard", "partner", "overall", 4.22),
        ("independent GPT-4o re-run", "GPT-4o", "hard", None, "margin", 0.31),
        ("independent GPT-4o re-run", "GPT-4o", "all", None, "episodes", 562),
    ],
)  # fmt: skip
def test_values_are_those_of_the_source(
    source: str, model: str, split: str | None, setting: str | None, metric: str, expected: float
) -> None:
    assert value(source, model, split, setting, metric) == expected


def test_scores_lie_in_their_dimensions_ranges() -> None:
    table = published("sotopia")
    assert table["goal"].dropna().between(0, 10).all()
    assert table["overall"].dropna().between(-30 / 7, 40 / 7).all()


def test_a_split_of_an_environment_can_be_asked_for() -> None:
    hard = published("sotopia", "hard")
    assert set(hard["split"]) == {"hard"}
    assert set(published("webshop")["source"]) == {"iStar"}


def test_a_file_with_too_few_values_an_unknown_key_or_a_source_too_many_is_refused(tmp_path: Path) -> None:
    raw = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    with pytest.raises(ValidationError, match="3 values for 4 columns"):
        Published.model_validate(
            raw | {"tables": [raw["tables"][0] | {"rows": {"x": ["1/2", "1/2", "1/2"]}}, *raw["tables"][1:]]}
        )
    with pytest.raises(ValidationError, match="is not goal/overall"):
        Published.model_validate(
            raw | {"tables": [raw["tables"][0] | {"rows": {"x": ["1", "1", "1", "1"]}}, *raw["tables"][1:]]}
        )
    with pytest.raises(ValidationError, match="without a table"):
        Published.model_validate(raw | {"tables": raw["tables"][1:]})
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(raw | {"extra": 1}))
    with pytest.raises(BadInput, match="extra"):
        read_published(path)


def test_the_terminal_prints_them_below_the_ranking_and_apart_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = play(tmp_path / "run")
    assert main(["leaderboard", str(run), "--format", "markdown", "--published"]) == 0
    ranking, _, rest = capsys.readouterr().out.partition("not measured here, not ranked")
    assert "| vanilla |" in ranking
    assert "AMPO" not in ranking
    assert "| Qwen2.5-7B + EPO | sotopia | all | partner | GPT-4o |" in rest
    assert "secrets included" in rest


def test_json_keeps_measured_and_published_rows_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = play(tmp_path / "run")
    assert main(["leaderboard", str(run), "--format", "json", "--published"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert [row["strategist"] for row in both["measured"]] == ["vanilla"]
    assert len(both["published"]["rows"]) == sum(COUNTS.values())
    assert not any("rank" in row for row in both["published"]["rows"])


def test_without_a_run_only_the_published_rows_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["leaderboard", "--published", "--format", "csv"]) == 0
    lines = pd.read_csv(__import__("io").StringIO(capsys.readouterr().out))
    assert len(lines) == sum(COUNTS.values())


def test_a_csv_of_both_tables_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = play(tmp_path / "run")
    assert main(["leaderboard", str(run), "--published", "--format", "csv"]) == 2
    assert "one csv holds one table" in capsys.readouterr().err
