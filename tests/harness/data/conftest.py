"""A place to import and fetch in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.alfworld import data as games
from harness.exchange import download
from tests.harness.data.advising import Place
from tests.harness.data.server import FileServer, file_server


@pytest.fixture(scope="module")
def one_server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


@pytest.fixture
def place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, one_server: FileServer
) -> Iterator[Place]:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    policy = download.DownloadPolicy(attempts=2, http_hosts=frozenset({"127.0.0.1"}), sleep=lambda seconds: None)
    monkeypatch.setattr(download, "DownloadPolicy", lambda: policy)
    games.read_split.cache_clear()
    yield Place(tmp_path, capsys, monkeypatch, one_server)
    games.read_split.cache_clear()
