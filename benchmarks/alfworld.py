"""Speed and memory of the ALFWorld engine, beside the original on the same games and actions in the same run.

    python benchmarks/alfworld.py [--original-python PATH] [--games N] [--steps N] [--json FILE]

The original (packages `alfworld` 0.4.2, `textworld` 1.7.0) runs in a process of its own, under this Python or under
the one named, one game after the other between ours. Times are process CPU time, because the original is so slow
that a busy machine would show mostly waiting; ours per step are wall time, which is the larger of the two. Further
tables: memory per game and per episode, 10,000 episodes one after the other, 1,024 games at once, resets of 4,096, and the
generator.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REAL_GAMES = ROOT.parent / "shared" / "data" / "alfworld" / "games"

ORIGINAL = """
import json, sys, time
import textworld
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler, AlfredInfos
for line in sys.stdin:
    job = json.loads(line)
    wanted = textworld.EnvInfos(won=True, admissible_commands=True, feedback=True, extras=["gamefile"])
    clock = time.process_time
    began = clock()
    env = textworld.start(job["path"], request_infos=wanted, wrappers=[AlfredDemangler(shuffle=False), AlfredInfos])
    loaded = clock()
    env.reset()
    times = {"load": loaded - began, "reset": clock() - loaded, "step": [], "last": ""}
    for command in job["commands"]:
        began = clock()
        state, _, _ = env.step(command)
        times["step"].append(clock() - began)
        times["last"] = state["feedback"]
    env.close()
    print(json.dumps(times), flush=True)
"""
"""The original's side: one JSON job a line in, one line of seconds out."""


def walk(path: Path, steps: int) -> list[str]:
    """A random walk's commands."""
    from environments.alfworld.engine import TextGame

    game, random = TextGame.load(path), Random(str(path.parent.name))
    commands = []
    for _ in range(steps):
        commands.append(random.choice(game.admissible_commands))
        game.step(commands[-1])
    return commands


def ours(path: Path, commands: Sequence[str]) -> dict[str, Any]:
    """Seconds of our engine on one game; a step includes observation, admissible commands and goal check."""
    from environments.alfworld.engine import TextGame, load_game

    clock = time.perf_counter
    began = clock()
    world = load_game(path)
    loaded = clock() - began
    game = TextGame(world)
    began = clock()
    game.reset()
    reset = clock() - began
    steps, copies = [], []
    for command in commands:
        began = clock()
        game.step(command)
        _ = game.admissible_commands
        steps.append(clock() - began)
        began = clock()
        game.state.copy()
        copies.append(clock() - began)
    return {"load": loaded, "reset": reset, "step": steps, "copy": copies, "last": game.observation}


def original_runs(jobs: Sequence[tuple[Path, list[str]]], python: str) -> Iterator[dict[str, Any]]:
    """The original's seconds, one job after the other; nothing where it is not installed."""
    if subprocess.run([python, "-c", "import alfworld, textworld"], capture_output=True, check=False).returncode:
        print(f"{python} has no alfworld; install the extra: pip install '.[alfworld]'", file=sys.stderr)
        return
    with subprocess.Popen(
        [python, "-c", ORIGINAL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        for path, commands in jobs:
            process.stdin.write(json.dumps({"path": str(path), "commands": commands}) + "\n")
            process.stdin.flush()
            yield json.loads(process.stdout.readline())


def compare(paths: Sequence[Path], steps: int, python: str) -> dict[str, Any]:
    """Both engines on the same games and commands, in turn."""
    jobs = [(path, walk(path, steps)) for path in paths]
    theirs_next = original_runs(jobs, python)
    mine: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    for path, commands in jobs:
        theirs += islice(theirs_next, 1)
        mine.append(ours(path, commands))
        if theirs and mine[-1]["last"] != theirs[-1]["last"]:
            raise SystemExit(f"{path}: the engines differ after the walk; replay it before measuring")
    table: dict[str, dict[str, Any]] = {
        what: {"ours": summary(gather(mine, what))} for what in mine[0] if what != "last"
    }
    for what in ("load", "reset", "step") if theirs else ():
        table[what]["original"] = summary(gather(theirs, what))
        table[what]["ratio of medians"] = table[what]["original"]["median"] / table[what]["ours"]["median"]
    return {"games": len(paths), "steps": sum(len(run["step"]) for run in mine), "seconds": table}


def gather(runs: Sequence[dict[str, Any]], what: str) -> list[float]:
    values: list[float] = []
    for run in runs:
        values += run[what] if isinstance(run[what], list) else [run[what]]
    return values


def summary(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median": statistics.median(ordered),
        "p95": ordered[int(0.95 * (len(ordered) - 1))],
        "max": ordered[-1],
    }


def resident() -> int:
    """Resident memory of this process in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def memory(paths: Sequence[Path], episodes: int = 5000) -> dict[str, float]:
    """kB of resident memory per loaded game, and per further episode of a loaded game, 20 random steps in."""
    from environments.alfworld.engine import TextGame, load_game

    load_game(paths[0])
    before = resident()
    worlds = [load_game(path) for path in paths]
    loaded = resident()
    random, games = Random(0), []
    for number in range(episodes):
        game = TextGame(worlds[number % len(worlds)])
        for _ in range(20):
            game.step(random.choice(game.admissible_commands))
        games.append(game)
    return {
        "kB per loaded game": (loaded - before) / len(worlds) / 1024,
        "kB per further episode": (resident() - loaded) / episodes / 1024,
    }


def play(environment: Any, task: Any, baseline: str, number: int) -> Any:
    episode, random = environment.reset(task, number), Random(number)
    while not episode.done:
        episode.step(0, environment.baselines[baseline].act(episode, 0, random))
    return episode


def ten_thousand() -> dict[str, Any]:
    """Resident memory after each 2,500 of 10,000 episodes, expert and random in turn."""
    from environments import make

    environment = make("alfworld")
    tasks = environment.tasks("builtin-test-medium")
    sizes, began = [], time.perf_counter()
    for number in range(10_000):
        play(environment, tasks[number // 100 % len(tasks)], ("expert", "random")[number % 2], number)
        if number % 2500 == 2499:
            sizes.append(resident() / 1e6)
    return {"MB after each 2,500 episodes": sizes, "seconds": time.perf_counter() - began}


def live_games(count: int, split: str = "builtin-train") -> tuple[Any, list[Any]]:
    """The environment, and so many different games of a split, or as many as it has."""
    from environments import make

    environment = make("alfworld")
    tasks = environment.tasks(split)
    every = max(1, len(tasks) // count)
    return environment, [tasks[place] for place in range(0, len(tasks), every)][:count]


def concurrent(count: int = 1024, rounds: int = 40) -> dict[str, Any]:
    """So many live games, one step each in turn: view, its actions, one of them at random, the step; a game that ends is begun
    again. CPU time of this process, with the garbage collector as every command of ours sets it."""
    from harness.cli import GARBAGE

    gc.set_threshold(GARBAGE)
    environment, tasks = live_games(count)
    act = environment.baselines["random"].act
    games, random = [environment.reset(task, 0) for task in tasks], [Random(number) for number in range(len(tasks))]
    rates, resets = [], 0
    for _ in range(3):
        began = time.process_time()
        for _ in range(rounds):
            for number, game in enumerate(games):
                if game.done:
                    game = games[number] = environment.reset(tasks[number], 0)
                    resets += 1
                game.step(0, act(game, 0, random[number]))
        rates.append(rounds * len(games) / (time.process_time() - began))
    return {"games": len(games), "resets within": resets, "steps per CPU second": statistics.median(rates)}


def resets(count: int = 4096, again: int = 4) -> dict[str, Any]:
    """Resets of games in use: memory that they take, the first reset of each (which makes the game), and the later ones."""
    from environments import make

    clock, environment = time.process_time, make("alfworld")
    tasks = [task for split in ("builtin-train", "builtin-train-many") for task in environment.tasks(split)][:count]
    before, began = resident(), clock()
    for task in tasks:
        environment.reset(task, 0)
    first = clock() - began
    games = [environment.reset(task, 0) for task in tasks]
    random = Random(0)
    for game in games:  # what is made while a game is played belongs to it
        for _ in range(20):
            if not game.done:
                game.step(0, environment.baselines["random"].act(game, 0, random))
    del games
    in_use = resident() - before
    began = clock()
    for _ in range(again):
        for task in tasks:
            environment.reset(task, 0)
    later = (clock() - began) / again
    return {
        "games": len(tasks),
        "MB": in_use / 1e6,
        "CPU ms of a first reset": 1000 * first / len(tasks),
        "CPU ms of a later reset": 1000 * later / len(tasks),
    }


def generator(games: int) -> dict[str, Any]:
    """Writing games with two processes."""
    from environments.alfworld.generator import generate

    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        generate(games, 1, Path(folder))
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"games": games, "seconds": seconds, "CPU ms per game": 1000 * cpu / games}


def game_paths(count: int) -> list[Path]:
    """Every so many of the real games beside the checkout, else generated ones."""
    real = sorted(REAL_GAMES.glob("valid_seen/*/*/game.tw-pddl"))
    if real:
        return real[:: max(1, len(real) // count)][:count]
    from environments.alfworld.generator import generate

    folder = Path(tempfile.mkdtemp(prefix="alfworld-benchmark-"))
    generate(count, 0, folder)
    print(f"no real games at {REAL_GAMES}; measured on generated ones in {folder}", file=sys.stderr)
    return sorted(folder.glob("*/*/*/game.tw-pddl"))


def beside_original(results: dict[str, Any]) -> None:
    """Say how many times the original's median step of the same run the games at once are, where both were measured."""
    at_once = results.get("1,024 games at once")
    step = results.get("speed, seconds", {}).get("seconds", {}).get("step", {})
    if at_once and "original" in step:
        ratio = at_once["steps per CPU second"] * step["original"]["median"]
        show({"1,024 games at once, times the original's one": ratio})


def show(result: dict[str, Any], indent: str = "") -> None:
    for key, value in result.items():
        if isinstance(value, dict):
            print(f"{indent}{key}")
            show(value, f"{indent}  ")
        elif isinstance(value, float):
            print(f"{indent}{key}: {value:.4g}")
        else:
            print(f"{indent}{key}: {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--original-python", default=sys.executable, help="the Python that has alfworld and textworld")
    parser.add_argument("--games", type=int, default=12, help="games on which both engines are timed")
    parser.add_argument("--steps", type=int, default=30, help="random steps a game")
    parser.add_argument("--generate", type=int, default=2000, help="games the generator writes")
    parser.add_argument("--only", help="only the part whose name begins so")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "memory": lambda: memory(game_paths(140)),
        "speed, seconds": lambda: compare(game_paths(options.games), options.steps, options.original_python),
        "1,024 games at once": concurrent,
        "resets of 4,096 games": resets,
        "10,000 episodes": ten_thousand,
        "generator, two processes": lambda: generator(options.generate),
    }
    results = {}
    for name, measure in parts.items():
        if not name.startswith(options.only or ""):
            continue
        results[name] = measure()
        show({name: results[name]})
    beside_original(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
