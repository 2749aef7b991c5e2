"""Records one at a time, as they count (the last line of an id): reading a run takes no more memory than one record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.results.frames import latest
from harness.results.index import index_columns
from harness.results.scalars import KINDS
from harness.results.store import RecordT, read_record


def last_records(run: Path, file: str, form: type[RecordT]) -> Iterator[RecordT]:
    """Yield the last record of every id in one of a run's files (`EPISODES`, …), in the order of the ids' first lines. Of
    judgements, repeats and planted copies have ids of their own. Raises `Damaged` for a line that cannot be read."""
    columns = index_columns(run / file)
    for offset in columns.numbers("offset")[latest(columns.ids(KINDS[file].key))].tolist():
        yield read_record(run / file, int(offset), form)
