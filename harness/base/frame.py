"""A table of columns in numpy, for what a command counts and prints: nothing of it needs pandas, whose import takes longer
than most commands do. `Frame.to_pandas` gives the same table to the viewer, to exports and to notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.base.columns import NONE, Texts

if TYPE_CHECKING:
    import pandas as pd

Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns of one length. A number that is not known is NaN, a text None; ids are bytes (numpy `S`)."""

    columns: Mapping[str, Values | Texts]

    def __len__(self) -> int:
        first = next(iter(self.columns.values()), np.zeros(0))
        return len(first.codes if isinstance(first, Texts) else first)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def array(self, name: str) -> Values:
        """A column of numbers, ids or objects as it is."""
        found = self.columns[name]
        assert not isinstance(found, Texts)
        return found

    def floats(self, name: str) -> NDArray[np.float64]:
        """A column of numbers as floats."""
        return np.asarray(self.array(name), dtype=float)

    def texts(self, name: str) -> Texts:
        """A column of coded texts."""
        found = self.columns[name]
        assert isinstance(found, Texts)
        return found

    def objects(self, name: str) -> Values:
        """A column of texts or ids as Python's strings; None where there is none."""
        found = self.columns[name]
        if isinstance(found, Texts):
            return np.array([*found.values, None], dtype=object)[found.codes]
        return found.astype(str).astype(object) if found.dtype.kind == "S" else found.astype(object)

    def equal(self, name: str, text: str) -> NDArray[np.bool_]:
        """Tell per row whether a column of coded texts has that text."""
        found = self.texts(name)
        return np.asarray(found.codes == (found.values.index(text) if text in found.values else len(found.values)))

    def take(self, rows: NDArray[Any]) -> Frame:
        """Those rows; of -1, a row that knows nothing (a number is NaN, an integer becomes a float for it)."""
        absent = rows == NONE if rows.dtype != bool else np.zeros(0, bool)
        found = {name: _taken(column, rows, absent if absent.any() else None) for name, column in self.columns.items()}
        return Frame(found)

    def part(self, rows: slice) -> Frame:
        """A stretch of rows, as views of the columns."""
        return Frame(
            {
                name: Texts(column.codes[rows], column.values) if isinstance(column, Texts) else column[rows]
                for name, column in self.columns.items()
            }
        )

    def only(self, names: Iterable[str]) -> Frame:
        """A frame of the named columns."""
        return Frame({name: self.columns[name] for name in names})

    def to_pandas(self) -> pd.DataFrame:
        """The same table in pandas; coded texts are categories."""
        import pandas as pd

        return pd.DataFrame({name: _for_pandas(self, name) for name in self.columns})


def places_of(wanted: Values, known: Values) -> NDArray[np.intp]:
    """Per wanted id its (first) row among the known ones, -1 where it is not there. Ids are looked for by their hashes, which
    takes half the time; where two different ones have the same hash, by themselves."""
    if not len(known):
        return np.full(len(wanted), NONE, dtype=np.intp)
    width = max(known.dtype.itemsize, wanted.dtype.itemsize)
    marks, sought = (hashes_of(each.astype(f"S{width}")) for each in (known, wanted))
    found = _looked_up(sought, marks)
    same = known[found] == wanted
    if (marks[found[~same]] == sought[~same]).any():
        found = _looked_up(wanted, known)
        same = known[found] == wanted
    return np.where(same, found, NONE)


def _looked_up(wanted: Values, known: Values) -> NDArray[np.intp]:
    """Per wanted value the first row among the known ones that is not smaller."""
    order = np.argsort(known, kind="stable")
    found = np.searchsorted(known, wanted, sorter=order)
    return order[np.minimum(found, len(known) - 1)]


def hashes_of(ids: Values) -> NDArray[np.uint64]:
    """A number for each id (numpy `S`); equal ids have equal ones, and different ids hardly ever."""
    words = -(-ids.dtype.itemsize // 8)
    padded = np.ascontiguousarray(ids.astype(f"S{8 * words}")).view("<u8").reshape(len(ids), words)
    found = padded[:, 0].copy()
    for word in range(1, words):
        found = found * FACTOR + padded[:, word]
    return found


FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose bits look random (2**64 over the golden ratio)."""


def in_first_order(codes: Values) -> NDArray[np.intp]:
    """The codes numbered by their first appearance."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def ranks_of(values: Sequence[Any] | Values) -> NDArray[np.intp]:
    """Per value its place among the different ones, sorted; None is behind all others."""
    return coded(values)[1]


def coded(values: Sequence[Any] | Values) -> tuple[list[Any], NDArray[np.intp]]:
    """The different values, sorted, with None behind all others, and per value its place among them. For texts that repeat this
    takes a fifth of the time of `numpy.unique`, which sorts them all."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "iu":
            different, places = np.unique(values, return_inverse=True)
            return different.tolist(), places
        values = values.tolist()
    known = set(values)
    labels = sorted(known - {None})
    labels += [None] * (len(known) - len(labels))
    place_of = {label: place for place, label in enumerate(labels)}
    return labels, np.fromiter(map(place_of.__getitem__, values), np.intp, len(values))


def _taken(column: Values | Texts, rows: NDArray[Any], absent: NDArray[np.bool_] | None) -> Values | Texts:
    if isinstance(column, Texts):
        codes = column.codes[rows] if len(column.codes) else np.full(len(rows), NONE, np.int32)
        return Texts(codes if absent is None else np.where(absent, NONE, codes), column.values)
    if absent is None:
        return column[rows]
    texts = column.dtype.kind in "OS"
    found = np.full(len(rows), None if texts else np.nan, dtype=object if texts else float)
    found[~absent] = column[rows[~absent]]
    return found


def _for_pandas(frame: Frame, name: str) -> Any:
    import pandas as pd

    column = frame.columns[name]
    if isinstance(column, Texts):
        return pd.Categorical.from_codes(column.codes, categories=pd.Index(column.values, dtype=object))
    if column.dtype.kind in "OS":
        return pd.Series(frame.objects(name), dtype=object)
    return column
