"""Looking rows up by id and by text gives what a dictionary would, however the ids' hashes fall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.base import frame
from harness.base.frame import coded, hashes_of, places_of
from harness.results import frames
from harness.results.frames import latest


def alike(ids: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    """Hashes that tell nothing apart."""
    return np.zeros(len(ids), np.uint64)


@pytest.fixture(params=["hashes as they are", "all ids have one hash"])
def _hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "all ids have one hash":
        monkeypatch.setattr(frame, "hashes_of", alike)
        monkeypatch.setattr(frames, "hashes_of", alike)


KNOWN = [b"b" * 20, b"a" * 20, b"c", b"a" * 20, b"a" * 19 + b"b"]


@pytest.mark.usefixtures("_hashes")
@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([b"c", b"a" * 20, b"b" * 20], [2, 1, 0]),
        ([b"d", b"a" * 19, b"a" * 19 + b"b", b"c" * 30], [-1, -1, 4, -1]),
        ([], []),
    ],
)
def test_an_id_is_found_in_its_first_row_or_not_at_all(wanted: Sequence[bytes], places: Sequence[int]) -> None:
    assert places_of(np.array(wanted, dtype="S30"), np.array(KNOWN)).tolist() == list(places)
    assert places_of(np.array(wanted, dtype="S30"), np.zeros(0, "S1")).tolist() == [-1] * len(wanted)


@pytest.mark.usefixtures("_hashes")
def test_the_last_line_of_every_id_counts() -> None:
    assert latest(np.array(KNOWN)).tolist() == [0, 3, 2, 4]
    assert latest(np.array(KNOWN[:3])).tolist() == [0, 1, 2]
    assert latest(np.zeros(0, "S1")).tolist() == []


def test_equal_ids_have_equal_hashes_however_wide_their_column_is() -> None:
    ids = np.array([b"0123456789abcdef", b"0123456789abcdee", b"fedcba9876543210"])
    assert len(set(hashes_of(ids).tolist())) == 3
    assert hashes_of(ids[[1, 0, 1]]).tolist() == hashes_of(ids)[[1, 0, 1]].tolist()


@pytest.mark.parametrize(
    "values", [np.array(["b", "a", "b", "c"], dtype=object), np.array(["b", "a"]), np.array([3, 1, 3]), ["b", "a", "b"]]
)
def test_values_are_numbered_in_their_order(values: NDArray[np.generic] | list[str]) -> None:
    labels, codes = coded(values)
    expected, places = np.unique(values, return_inverse=True)
    assert labels == expected.tolist()
    assert codes.tolist() == places.tolist()


def test_none_is_behind_all_other_values() -> None:
    assert coded(["b", None, "a"])[0] == ["a", "b", None]
    assert coded(["b", None, "a"])[1].tolist() == [1, 2, 0]
    assert coded([])[1].tolist() == []
