"""`harness viewer`: what it tells Streamlit, and what it refuses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.base.errors import BadInput
from harness.cli import main
from harness.commands.viewer import OPTIONS, default_paths, free_port, streamlit_arguments


def test_it_listens_on_this_machine_only_and_sends_nothing_anywhere() -> None:
    assert OPTIONS["server.address"] == "127.0.0.1"
    assert OPTIONS["browser.gatherUsageStats"] == "false"
    assert OPTIONS["server.enableXsrfProtection"] == "true"
    assert OPTIONS["server.headless"] == "true"


def test_the_settings_are_known_to_streamlit() -> None:
    config = pytest.importorskip("streamlit.config")
    assert set(OPTIONS) <= set(config.get_config_options())


def test_streamlit_gets_the_script_the_settings_and_whole_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = streamlit_arguments([Path("runs"), Path("--weird")], 9000)
    flags, paths = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    assert flags[0] == "run"
    assert Path(flags[1]).is_file()
    assert "--server.address=127.0.0.1" in flags
    assert "--server.port=9000" in flags
    assert paths == [str(tmp_path / "runs"), str(tmp_path / "--weird")]


def test_the_demo_is_shown_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_paths() == [Path("results")]
    Path("results/demo").mkdir(parents=True)
    assert default_paths() == [Path("results/demo")]


@pytest.mark.parametrize("arguments", [["nowhere"], ["--port", "0"], ["--port", "70000"], ["--host", "http://a/b"]])
def test_a_wrong_path_or_port_is_refused_in_one_message(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["viewer", *arguments]) == 2
    assert arguments[-1] in capsys.readouterr().err


def test_a_taken_port_is_said_when_asked_for_and_passed_over_when_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port} is taken"):
            free_port(port, 1)
        assert free_port(port, 50) != port
