"""Opening a folder of many episodes for the leaderboard and its viewer: with its index, again, and without one, beside a
plain loop over the lines.

    python -m benchmarks.leaderboard                        100,000 episodes (some 3 GB, deleted afterwards)
    python -m benchmarks.leaderboard --episodes 10000 --keep FOLDER
    python -m benchmarks.leaderboard --episodes 1000000 --turns 2 --no-loop

The records are really played ones (SOTOPIA, 10 turns, a strategist in every arm but vanilla, judged, with process rewards), with
texts as long as a language model's, written out again under other ids, tasks and scores.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console

from agents.models.base import ChatRequest
from harness.experiment.experiment import Experiment
from harness.judging import judgement_id
from harness.judging.rewards.process import process_id
from harness.results.index import index_paths
from harness.results.leaks import task_hash
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, read_manifest, write_manifest
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import act, evaluation

STRATEGISTS = ("vanilla", "react", "epo", "epo-rl", "shuffled")
ACTORS = ("small", "large")
PAIRINGS = ("self-play", "partner")
CELLS = len(STRATEGISTS) * len(ACTORS) * len(PAIRINGS)
GROUPS_OF = 5
"""Tasks of one scenario, as in SOTOPIA."""
WORDS = "I see what you mean and would like to find something that works for both of us before we settle on it".split()


def words(request: ChatRequest, count: int) -> str:
    """As many words, others for every call."""
    random = Random(f"{request.identity.episode} {request.identity.role} {request.identity.ordinal}")
    return " ".join(random.choices(WORDS, k=count))


def play_a_role(request: ChatRequest) -> str:
    """Texts as long as models write them: two sentences a turn, a strategy of some ten words, a reason a dimension."""
    if request.identity.role == "strategist":
        return f"Strategy: {words(request, 10)}"
    if request.identity.role == "judge":
        answer = evaluation(goal=7)
        for seat in answer.values():
            for dimension in seat.values():
                dimension["reasoning"] = words(request, 30)
        return json.dumps(answer)
    if request.identity.role == "critical":
        return json.dumps({"critical": [{"reason": words(request, 40), "strategy": 1}]})
    return act("speak", words(request, 35), thought=words(request, 15))


def template(folder: Path, turns: int) -> None:
    """One played episode of every cell."""
    model = {"provider": "scripted", "function": "benchmarks.leaderboard:play_a_role"}
    raw: dict[str, Any] = {
        "name": "many",
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": turns}}],
        "models": dict.fromkeys((*ACTORS, "judge"), model),
        "actors": list(ACTORS),
        "strategists": [
            {"kind": kind, "model": "small"} if kind in ("epo", "epo-rl", "shuffled") else kind for kind in STRATEGISTS
        ],
        "pairings": ["self-play", {"name": "partner", "strategist": "vanilla", "orders": "first"}],
        "judge": "judge",
        "process": [{"method": "critical", "model": "judge"}],
    }
    if sum(name == "shuffled" for name in STRATEGISTS):
        raw["environments"][0]["tasks"] = 2
    with Run(Experiment.model_validate(raw), folder) as run:
        execute(run, Progress(Console(file=io.StringIO())))


def copies(path: Path, count: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(task, repeat, record): every first record of a cell `count / CELLS` times, arms side by side as they are played."""
    by_cell: dict[str, dict[str, Any]] = {}
    for line in path.read_bytes().splitlines():
        record = json.loads(line)
        by_cell.setdefault(record["cell"], record)
    tasks = max(GROUPS_OF, min(450, count // CELLS))
    for number in range(count // CELLS):
        for record in by_cell.values():
            yield number % tasks, number // tasks, record


def write_many(folder: Path, count: int, turns: int = 10) -> None:
    """A run of `count` episodes, scored and with process rewards, made of a played template."""
    small = folder.with_name(folder.name + "-template")
    template(small, turns)
    folder.mkdir(parents=True)
    judgements = {row["episode_id"]: row for row in map(json.loads, (small / JUDGEMENTS).read_bytes().splitlines())}
    rewards = {row["episode_id"]: row for row in map(json.loads, (small / PROCESS_REWARDS).read_bytes().splitlines())}
    random, ids = Random(0), set()
    texts: dict[str, str] = {}
    with (
        open(folder / EPISODES, "w") as played,
        open(folder / JUDGEMENTS, "w") as judged,
        open(folder / PROCESS_REWARDS, "w") as given,
    ):
        for serial, (task, repeat, record) in enumerate(copies(small / EPISODES, count)):
            old, new = record["episode_id"], f"{random.getrandbits(64):016x}"
            head = {
                "task_id": f"task-{task}",
                "group": f"scenario-{task // GROUPS_OF}",
                "repeat": repeat,
                "episode_id": new,
            }
            rest = texts.setdefault(
                old, json.dumps({k: v for k, v in record.items() if k not in head}, separators=(",", ":"))[1:]
            )
            played.write(json.dumps(head, separators=(",", ":"))[:-1] + "," + rest + "\n")
            ids.add(task)
            judgement = dict(judgements[old])
            goal = min(10, max(0, round(random.gauss(5 + STRATEGISTS.index(record["strategist"]) / 2 + task % 3, 2))))
            scores = [{**seat, "goal": float(goal), "overall": goal / 7} for seat in judgement["scores"]]
            judgement |= {"episode_id": new, "judgement_id": judgement_id(new, judgement["judge"]), "scores": scores}
            judged.write(json.dumps(judgement, separators=(",", ":")) + "\n")
            if old in rewards:
                reward = dict(rewards[old]) | {
                    "episode_id": new,
                    "process_id": process_id(new, 1, rewards[old]["label"]),
                }
                given.write(json.dumps(reward, separators=(",", ":")) + "\n")
            if serial % CELLS == 0 and serial % (CELLS * 1000) == 0:
                print(f"  {serial} written", flush=True) if serial else None
    manifest = read_manifest(small)
    manifest["tasks"] = {
        key: [task_hash("sotopia", f"task-{task}") for task in sorted(ids)] for key in manifest["tasks"]
    }
    manifest["cells"] = {cell: {**entry, "planned": count // CELLS} for cell, entry in manifest["cells"].items()}
    manifest["config"]["repeats"] = -(-(count // CELLS) // len(ids))
    write_manifest(folder, manifest)
    shutil.rmtree(small)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


CPU: dict[str, float] = {}
"""CPU seconds of what `measured` measured last, by name: on a machine at work the fair number."""


def measured(figures: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    used = time.process_time()
    figures[name], found = timed(work)
    CPU[name] = time.process_time() - used
    return found


def open_and_look(folder: Path) -> None:
    """Open the folder in this process, again, and derive what the viewer's pages draw; print seconds and MiB as JSON."""
    from leaderboard import board as boards
    from leaderboard.costs import cost_table
    from leaderboard.duel import duel
    from leaderboard.episodes import conversation, episode_list
    from leaderboard.matrix import matrix

    figures: dict[str, float] = {}
    board = measured(figures, "open", lambda: boards.open_board([folder]))
    figures["peak MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    boards.forget()
    board = measured(figures, "read again, the index kept", lambda: boards.open_board([folder]))
    measured(figures, "open again, nothing has changed", lambda: boards.open_board([folder]))
    measured(figures, "leaderboard", lambda: boards.leaderboard(board))
    measured(figures, "matrix", lambda: matrix(board))
    measured(figures, "costs", lambda: cost_table(board))
    measured(figures, "two arms", lambda: duel(board, 0, 1))
    found, total = measured(figures, "search", lambda: episode_list(board, search="task-17 epo", limit=50))
    assert total > 0
    measured(figures, "one episode", lambda: conversation(board, board.table["run"][0], found["episode_id"][0]))
    figures["peak MiB, all pages"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": figures, "cpu": CPU}))


def in_a_process(folder: Path) -> dict[str, dict[str, float]]:
    script = (
        "import sys; from pathlib import Path; import benchmarks.leaderboard as b; b.open_and_look(Path(sys.argv[1]))"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    sys.stderr.write(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    found["wall"] = {"process": time.perf_counter() - began, **found["wall"]}
    return dict(found)


ROWS = """
import json, resource, sys, time
from pathlib import Path
from harness.results.index import latest_episodes
began = time.process_time()
latest_episodes(Path(sys.argv[1]))
print(json.dumps([time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
"""Opens a run by rows, as `harness run` does before it goes on: CPU seconds and peak MiB. It runs on earlier versions, too."""


def by_rows(folder: Path, rounds: int = 5) -> tuple[float, float]:
    """CPU seconds and peak MiB (medians) of reading every episode's row, in a process that has done nothing else."""
    command = [sys.executable, "-c", ROWS, str(folder)]
    found = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(rounds)]
    return statistics.median(cpu for cpu, _ in found), statistics.median(peak for _, peak in found)


def plain_loop(folder: Path) -> None:
    for name in (EPISODES, JUDGEMENTS, PROCESS_REWARDS):
        with open(folder / name, "rb") as file:
            for line in file:
                json.loads(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=10, help="of an episode: shorter ones for very many (2: 12 KiB)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="make the run there (or take the one there), and leave it"
    )
    parser.add_argument("--no-loop", action="store_true", help="leave out the plain loop")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name) / "many"
        if not folder.exists():
            write_many(folder, arguments.episodes, arguments.turns)
        report(folder, not arguments.no_loop)


def report(folder: Path, loop: bool) -> None:
    sizes = {name: (folder / name).stat().st_size for name in (EPISODES, JUDGEMENTS, PROCESS_REWARDS)}
    total = sum(sizes.values())
    with open(folder / EPISODES, "rb") as file:
        count = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 24), b""))
    each = f"{sizes[EPISODES] / count / 1024:.1f} KiB each"
    print(f"leaderboard: {count} episodes, {each}, {total / 2**30:.2f} GiB with judgements and rewards")
    if loop:
        plain, _ = timed(lambda: plain_loop(folder))
        print(f"  json.loads of every line in a loop           {plain:8.2f} s  1.000 ×")
    for path in index_paths(folder):
        path.unlink(missing_ok=True)
    whole = in_a_process(folder)
    wall, cpu = whole["wall"]["open"], whole["cpu"]["open"]
    ratio = f"{wall / plain:.3f} ×" if loop else ""
    rate = f"{total / 1e6 / wall:.0f} MB/s ({cpu:.2f} s CPU), peak {whole['wall']['peak MiB']:.0f} MiB"
    print(f"  opened without an index (a rebuild)          {wall:8.2f} s  {ratio}   {rate}")
    index = sum(path.stat().st_size for path in index_paths(folder) if path.exists())
    print(f"  the index: {index / 2**20:.1f} MiB, {index / count:.0f} bytes an episode")
    cpu, peak = by_rows(folder)
    print(f"  untouched, every episode's row               {cpu:8.3f} s CPU, peak {peak:.0f} MiB")
    with_index = in_a_process(folder)
    for name, value in with_index["wall"].items():
        cpu_s = f"  {with_index['cpu'][name]:.3f} s CPU" if name in with_index["cpu"] else ""
        ratio = f"  {value / plain:.4f} ×" if loop and "MiB" not in name else ""
        print(f"  {name.replace(' MiB', ''):44s} {value:8.3f} {'MiB' if 'MiB' in name else 's'}{cpu_s}{ratio}")


if __name__ == "__main__":
    main()
