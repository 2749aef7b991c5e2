"""Runs on a real Ray cluster of two nodes on this machine: the same records as in one process, also when a node is killed in
the middle of them. Everything listens on 127.0.0.1; no dashboard, no usage statistics."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import (
    Harness,
    endpoint,
    finished_episodes,
    lines,
    lines_so_far,
    scores,
    wait_until,
    write_config,
)
from tests.shared_data import STRICT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None and not STRICT, reason="needs the extra `ray`"),
]

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
"""The first one makes Ray keep to 127.0.0.1 instead of the machine's address."""
CLUSTER = """
import sys, os, time
from ray.cluster_utils import Cluster
node = dict(num_cpus=1, object_store_memory=80_000_000, node_ip_address="127.0.0.1", include_dashboard=False)
cluster = Cluster(initialize_head=True, head_node_args=node)
second = cluster.add_node(**node)
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(second, allow_graceful=False)
    print("killed", flush=True)
cluster.shutdown()
"""


class TwoNodes:
    """A Ray cluster in a process of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | LOOPBACK,
        )
        self.address = self._line("127.0.0.1:")

    def _line(self, begin: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(begin):
                return line.strip()
        raise AssertionError("the Ray cluster did not start")

    def kill_second(self) -> None:
        """SIGKILL the second node's raylet; its workers go with it."""
        assert self.process.stdin is not None
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        self._line("killed")

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()


@pytest.fixture
def cluster() -> Iterator[TwoNodes]:
    nodes = TwoNodes()
    try:
        yield nodes
    finally:
        nodes.end()


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LOOPBACK.items():
        monkeypatch.setenv(name, value)


def on_ray(config: Path, name: str, address: str, *options: str) -> Harness:
    return Harness(config, name, options=("--executor", "ray", "--address", address, *options))


def test_a_node_that_is_killed_in_the_middle_costs_no_record_and_no_answer(tmp_path: Path, cluster: TwoNodes) -> None:
    with endpoint("--latency", "0.25") as url:
        config = write_config(tmp_path / "e2e.yaml", url, tasks=12, limits={"episodes_at_once": 6})
        harness = on_ray(config, "ray", cluster.address)
        process = harness.start()
        assert wait_until(lambda: len(done(harness.folder)) >= 4, process)
        before = done(harness.folder)
        cluster.kill_second()
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err
        assert "Traceback" not in err
        assert len(before) < 24, "the node was killed when everything was done"
        here = Harness(config, "here")
        assert here.run().returncode == 0
    assert finished_episodes(harness.folder) == finished_episodes(here.folder)
    assert scores(harness.folder) == scores(here.folder)
    assert len(lines(harness.folder / "episodes.jsonl")) == 24
    # Every call is in the record once: what the dead node had been answered was not asked again.
    keys = [line["key"] for line in lines(harness.folder / "calls.jsonl")]
    assert len(keys) == len(set(keys)) == len(lines(here.folder / "calls.jsonl"))


def done(folder: Path) -> list[bytes]:
    return lines_so_far(folder / "episodes.jsonl")


def test_the_limit_of_an_endpoint_holds_over_the_cluster(tmp_path: Path, cluster: TwoNodes) -> None:
    from tests.e2e.runs import dialogues, endpoint_config, harness
    from tests.e2e.speaking_server import serving

    with serving("--latency", "0.1") as server:
        raw = dialogues(endpoint_config(server.url, concurrency=3), 24, limits={"episodes_at_once": 12})
        ended = harness(raw, tmp_path / "results", "--executor", "ray", "--address", cluster.address)
        assert ended.returncode == 0, ended.stderr
        assert server.counts()["peak"] == 3


def test_ctrl_c_lets_running_episodes_end(tmp_path: Path, cluster: TwoNodes) -> None:
    with endpoint("--latency", "0.25") as url:
        config = write_config(tmp_path / "e2e.yaml", url, tasks=12, limits={"episodes_at_once": 4})
        harness = on_ray(config, "ray", cluster.address)
        process = harness.start()
        assert wait_until(lambda: len(done(harness.folder)) >= 2, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130, err
        count = len(finished_episodes(harness.folder))
        assert 2 <= count < 24
        assert f"{count} of 24 planned episodes finished, failed: 0, not played: {24 - count}, unscored: 0." in out


DEADLY = """
import os, signal
from tests.harness import builders

def speak(request):
    if int(request.identity.episode, 16) % 10 == 3 and request.identity.ordinal == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return builders.speak(request)
"""


def test_on_a_ray_of_its_own_an_episode_that_kills_every_process_is_recorded_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    from tests.harness import builders

    (tmp_path / "deadly_script.py").write_text(DEADLY)
    tiny = [{"name": "sotopia", "split": "builtin-test", "tasks": 6, "options": {"max_turns": 4}}]
    models: dict[str, Any] = {"m": {"provider": "scripted", "function": "deadly_script:speak"}}
    raw = builders.config(environments=tiny, models=models, limits={"episodes_at_once": 4})
    (tmp_path / "e2e.yaml").write_text(yaml.safe_dump(raw))
    harness = Harness(tmp_path / "e2e.yaml", "ray", options=("--executor", "ray"))
    harness.environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    begun = time.monotonic()
    ended = harness.run()
    records = lines(harness.folder / "episodes.jsonl")
    deadly = {record["episode_id"] for record in records if int(record["episode_id"], 16) % 10 == 3}
    assert 0 < len(deadly) < 6, f"{[record['episode_id'] for record in records]} {ended.stderr}"
    assert {record["episode_id"] for record in records if record["error"]} == deadly
    assert {record["error"]["kind"] for record in records if record["error"]} == {"worker"}
    assert ended.returncode == 4
    assert time.monotonic() - begun < 200


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    with endpoint() as url:
        config = write_config(tmp_path / "e2e.yaml", url, tasks=1)
        ended = on_ray(config, "ray", "127.0.0.1:1").run()
    assert ended.returncode == 2
    assert "the Ray cluster 127.0.0.1:1 cannot be joined" in ended.stderr
