"""Labels as CSV: the questions out, the answers in. A person fills in the column `value`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.base.spreadsheets import harmless
from harness.judging.labels.material import checked
from harness.results.labels import Label, Sample

COLUMNS = ("item", "seat", "turn", "who", "dimension", "low", "high", "value", "strategy", "episode")


def as_csv(items: Sequence[Mapping[str, Any]]) -> str:
    """One row per question; the episode's text stands in the first row of its item."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for item in items:
        text = "\n".join([item["background"], "", *(f"{turn['who']} {turn['did']}" for turn in item["turns"])])
        for number, question in enumerate(item["questions"]):
            row = {name: question.get(name) for name in ("seat", "turn", "who", "dimension", "low", "high")}
            row |= {"item": item["item"], "strategy": question["text"], "episode": text if number == 0 else ""}
            writer.writerow({name: harmless(row.get(name, "")) for name in COLUMNS})
    return out.getvalue()


def read_csv(path: Path, sample: Sample, items: Sequence[Mapping[str, Any]], annotator: str) -> list[Label]:
    """The labels in a filled-in file; rows without a value are left out. Raises `BadInput` naming the line."""
    known = {item["item"]: dict(item) for item in items}
    episodes = {item.item: item.episode_id for item in sample.items}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    labels = []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        if not (row.get("value") or "").strip():
            continue
        try:
            label = Label(
                item=str(row["item"]),
                episode_id=episodes.get(str(row["item"]), ""),
                seat=int(row["seat"]),
                turn=int(row["turn"]) if (row.get("turn") or "").strip() else None,
                dimension=str(row["dimension"]),
                value=float(row["value"]),
                annotator=annotator,
                labelled_at=now,
            )
            labels.append(checked(label, known))
        except (KeyError, ValueError, TypeError, BadInput) as error:
            raise BadInput(f"{path}, row {number}: {str(error).splitlines()[0]}") from None
    return labels
