"""A Hugging Face data set: a folder of Parquet files with a card, which `datasets.load_dataset(FOLDER, NAME)` reads.

Three configurations, `episodes`, `judgements` and `process_rewards`, each with the split `test`. A row has the columns one
filters by, an episode also its turns as structures; `record` is the whole record as JSON, so that nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.invocation import installs
from harness.base.safe_files import new_folder, write_file
from harness.results.index import latest_episodes, latest_judgements, latest_process_rewards
from harness.results.ledger import COUNTS, NO_EFFECT, PLAYERS, call_counts, episode_counts, without_effect
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, read_manifest
from harness.results.targets import read_start

Row = dict[str, Any]
AT_ONCE = 500
"""Records held in memory."""
FILE = "test-00000-of-00001.parquet"
"""Name of each configuration's only file."""


@dataclass(frozen=True, slots=True)
class Part:
    """One configuration of the data set."""

    name: str
    file: str
    latest: Callable[[Path], dict[str, Row]]
    row: Callable[[Row], Row]
    columns: dict[str, str]
    """Column -> type: text, number, whole, yes, turns, texts."""


def _episode(record: Row) -> Row:
    names = [seat["name"] for seat in record["seats"]]
    keys = (
        "index",
        "seat",
        "observation",
        "strategy",
        "strategy_source",
        "action_kind",
        "action",
        "rendered",
        "parse",
        "reward",
    )
    outcome = record["outcome"] or {}
    return {
        **{key: record[key] for key in EPISODE_TEXTS + EPISODE_NUMBERS},
        "error": record["error"]["kind"] if record["error"] else None,
        "score": outcome.get("score"),
        "success": outcome.get("success"),
        "seats": names,
        "turns": [
            {
                **{key: turn[key] for key in keys},
                "name": names[turn["seat"]],
                "raw": turn.get("raw"),
                "no_effect": without_effect(record["environment"], turn),
            }
            for turn in record["turns"]
        ],
        **episode_counts(record),
    }


EPISODE_TEXTS = ("episode_id", "cell", "environment", "split", "protocol", "pairing", "actor", "strategist", "task_id", "group",
                 "status", "end_reason", "started_at")  # fmt: skip
EPISODE_NUMBERS = ("order", "repeat", "seed", "attempt")
LEDGER = (*(f"{role}_{count}" for role in PLAYERS for count in COUNTS), NO_EFFECT)
"""The ledger of the interface of an episode; of a judgement or process reward it is `COUNTS`."""


def _scored(record: Row) -> Row:
    return {
        **{key: record[key] for key in ("judgement_id", "episode_id", "judge", "status", "episode_attempt")},
        "error": record["error"]["kind"] if record["error"] else None,
        **call_counts(record["calls"]),
    }


def _rewarded(record: Row) -> Row:
    return {
        **{key: record[key] for key in ("process_id", "episode_id", "method", "label", "status", "episode_attempt")},
        "error": record["error"]["kind"] if record["error"] else None,
        **call_counts(record["calls"]),
    }


PARTS = (
    Part("episodes", EPISODES, latest_episodes, _episode, {
        **dict.fromkeys(EPISODE_TEXTS, "text"), **dict.fromkeys(EPISODE_NUMBERS, "whole"), "error": "text", "score": "number",
        "success": "yes", "seats": "texts", "turns": "turns", **dict.fromkeys(LEDGER, "whole")}),
    Part("judgements", JUDGEMENTS, lambda run: latest_judgements(run, every=True), _scored,
         {**dict.fromkeys(("judgement_id", "episode_id", "judge", "status", "error"), "text"), "episode_attempt": "whole",
          **dict.fromkeys(COUNTS, "whole")}),
    Part("process_rewards", PROCESS_REWARDS, latest_process_rewards, _rewarded,
         {**dict.fromkeys(("process_id", "episode_id", "method", "label", "status", "error"), "text"),
          "episode_attempt": "whole", **dict.fromkeys(COUNTS, "whole")}),
)  # fmt: skip


MADE = "Episodes played with the strategist harness"
"""Stands in the card of every such data set."""
CARD, COPY = "README.md", "manifest.json"


def is_dataset(folder: Path) -> bool:
    """True if `write_dataset` wrote a folder, which holds nothing else. Version 0.1 left parts without a card where it was
    killed."""
    names = {each.name for each in folder.iterdir()}
    parts = {part.name for part in PARTS}
    files = {each.name for name in names & parts for each in (folder / name).glob("*")}
    ours = names <= {*parts, CARD, COPY} and files <= {FILE, ".test.parquet.tmp"}
    return ours and (MADE in read_start(folder / CARD) if CARD in names else bool(names & parts))


def write_dataset(run: Path, out: Path) -> dict[str, int]:
    """Write the data set as the folder `out`, whole or not at all; returns rows per configuration. The last line of an id
    counts, as for every reader. Raises `BadInput` without pyarrow, and where the folder cannot be written."""
    manifest = read_manifest(run)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(out) as folder:
            counts = {part.name: _write_part(part, run, manifest["run"], folder) for part in PARTS}
            counts = {name: count for name, count in counts.items() if count}
            write_file(folder / COPY, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
            write_file(folder / CARD, _card(manifest, counts))
    except OSError as error:
        raise BadInput(f"--out {out} cannot be written: {error.strerror or error}") from error
    return counts


def _write_part(part: Part, run: Path, name: str, out: Path) -> int:
    arrow, parquet = _pyarrow()
    rows = part.latest(run).values() if (run / part.file).exists() else []
    if not rows:
        return 0
    folder = out / part.name
    folder.mkdir(parents=True, exist_ok=True)
    schema = _schema(part, arrow)
    records = _records(run / part.file, [row["offset"] for row in rows])
    with parquet.ParquetWriter(folder / FILE, schema, compression="zstd") as writer:
        while batch := list(islice(records, AT_ONCE)):
            table = [{"run": name, **part.row(record), "record": text} for record, text in batch]
            writer.write_table(arrow.Table.from_pylist(table, schema=schema))
    return len(rows)


def _records(path: Path, offsets: list[int]) -> Iterator[tuple[Row, str]]:
    with open(path, "rb") as file:
        for offset in offsets:
            file.seek(offset)
            line = file.readline().decode().rstrip("\n")
            yield json.loads(line), line


def _schema(part: Part, arrow: Any) -> Any:
    texts = ("name", "strategy", "strategy_source", "action_kind", "action", "rendered", "parse", "raw")
    turn = {
        "index": "whole",
        "seat": "whole",
        **dict.fromkeys(texts, "text"),
        "observation": "texts",
        "reward": "number",
        "no_effect": "yes",
    }
    kinds = {"text": arrow.string(), "number": arrow.float64(), "whole": arrow.int64(), "yes": arrow.bool_(),
             "texts": arrow.list_(arrow.string())}  # fmt: skip
    kinds["turns"] = arrow.list_(arrow.struct([(key, kinds[kind]) for key, kind in turn.items()]))
    columns = [
        ("run", kinds["text"]),
        *((key, kinds[kind]) for key, kind in part.columns.items()),
        ("record", arrow.large_string()),
    ]
    return arrow.schema(columns)


def read_back(out: Path, part: str) -> list[Row]:
    """The records of a data set's configuration, as they stood in the run's file. Raises `BadInput`."""
    _, parquet = _pyarrow()
    path = out / part / FILE
    if not path.exists():
        raise BadInput(f"{out} has no configuration {part!r}")
    return [json.loads(text) for text in parquet.read_table(path, columns=["record"])["record"].to_pylist()]


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BadInput(f"--to hf-dataset needs pyarrow: {installs('export')}") from None
    return pyarrow, pyarrow.parquet


def _card(manifest: Row, counts: dict[str, int]) -> str:
    """The data set's card; its head tells `datasets` which files make which configuration."""
    configs = "\n".join(
        f"- config_name: {name}\n  data_files:\n  - split: test\n    path: {name}/test-*.parquet" for name in counts
    )
    lines = [f"- `{name}`: {counted(count, 'row')}" for name, count in counts.items()]
    return (
        f"---\nconfigs:\n{configs}\n---\n\n# {manifest['run']}\n\n{MADE} "
        f"(judge: {manifest['judge'] or 'none'}).\n\n"
        + "\n".join(lines)
        + "\n\n`record` is the whole record as JSON; `manifest.json` "
        "says what the run was made from. Texts were written by language models. The tasks' own licences apply to what is "
        "quoted of them.\n"
    )
