"""The same loop over alfworld and over our face of it: one import line differs. And our face of WebShop beside the figures that
were recorded of the original on a machine of the same kind (it needs Java and is not installed here).

    python -m benchmarks.faces [--games N] [--steps N] [--episodes N] [--original-python PATH]

Each side runs in a process of its own, on the same games (real ones if they lie beside the checkout, else generated) with the
same commands; what they saw has to be equal. Times are CPU seconds of the process, since the original is so slow that a busy
machine would show mostly waiting.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.webshop import ORIGINAL_MS
from environments.alfworld.generator.files import numbered_game, write_game
from harness.base.seeds import stable_hash
from harness.bridges.web_agent_site.server import open_catalogue

ROOT = Path(__file__).resolve().parents[1]
SHOP = ROOT.parent / "shared" / "data" / "webshop"
REAL_GAMES = ROOT.parent / "shared" / "data" / "alfworld" / "games" / "valid_seen"
ORIGINAL = "from alfworld.agents.environment import get_environment"
OURS = "from harness.bridges.alfworld.agents.environment import get_environment"
LOOP = """
import contextlib, json, random, sys, time
config, episodes, steps = json.load(sys.stdin)
seen, clock, spent = [], time.process_time, {"reset": 0.0, "step": 0.0}
choose = random.Random(0)
with contextlib.redirect_stdout(sys.stderr):
    env = get_environment("AlfredTWEnv")(config, train_eval="train").init_env(batch_size=1)
    for _ in range(episodes):
        began = clock()
        obs, infos = env.reset()
        spent["reset"] += clock() - began
        for _ in range(steps):
            began = clock()
            obs, scores, dones, infos = env.step([choose.choice(infos["admissible_commands"][0])])
            spent["step"] += clock() - began
            seen.append([list(obs), list(scores), list(dones), infos["admissible_commands"]])
print(json.dumps({"spent": spent, "seen": seen}))
"""


def config_of(folder: Path) -> dict[str, Any]:
    env = {"goal_desc_human_anns_prob": 0, "task_types": [1, 2, 3, 4, 5, 6], "domain_randomization": False}
    return {
        "env": {**env, "expert_type": "handcoded"},
        "general": {"training_method": "dqn"},
        "rl": {"training": {"max_nb_steps_per_episode": 50}},
        "dataset": {"data_path": str(folder), "num_train_games": -1},
    }


def put_games(folder: Path, count: int) -> None:
    """Write games there, each with the `traj_data.json` that the original asks for."""
    real = sorted(REAL_GAMES.glob("*/*/game.tw-pddl"))
    for index in range(0 if real else count):
        write_game(numbered_game(index, seed=0), folder)
    for path in real[:: max(1, len(real) // count)][:count]:
        place = folder.joinpath(*path.parts[-3:-1])
        place.mkdir(parents=True)
        (place / path.name).write_bytes(path.read_bytes())
        (place / "traj_data.json").write_text(json.dumps({"task_type": place.parent.name.split("-")[0]}), "utf-8")


def run(python: str, line: str, job: str) -> dict[str, Any]:
    """The seconds that one side took, and the texts that it saw. Raises `CalledProcessError` where it fails."""
    done = subprocess.run(
        [python, "-c", line + LOOP], input=job, capture_output=True, text=True, check=True, cwd=ROOT, timeout=900
    )
    return dict(json.loads(done.stdout))


def shop(episodes: int) -> dict[str, tuple[float, int]]:
    """Kind of step -> (mean CPU milliseconds over our face of WebShop, times), text and possible actions included."""
    from harness.bridges.web_agent_site.envs import WebAgentTextEnv
    from harness.bridges.web_agent_site.server import SimServer
    from tests.parity.webshop_original import Reference

    with tempfile.TemporaryDirectory() as scratch:
        real = SHOP.is_dir()
        catalogue = Reference(SHOP, Path(scratch)).catalogue() if real else open_catalogue("builtin", 1000)
        env = WebAgentTextEnv("text", server=SimServer(catalogue, seed=0))
        spent: dict[str, list[float]] = {"reset": [], "search": [], "item": [], "option": [], "buy": []}

        def timed(what: str, call: Callable[[Any], Any], argument: Any) -> None:
            began = time.process_time_ns()
            call(argument)
            env.get_available_actions()
            spent[what].append((time.process_time_ns() - began) / 1e6)

        for number in range(episodes):
            goal = number * 7919 % len(env.server.goals)
            wanted = env.server.goals[goal]
            timed("reset", env.reset, goal)
            timed("search", env.step, f"search[{wanted['name']}]")
            link = wanted["asin"].lower()
            if link in env.get_available_actions()["clickables"]:
                timed("item", env.step, f"click[{link}]")
                for value in wanted["goal_options"].values():
                    timed("option", env.step, f"click[{value}]")
                timed("buy", env.step, "click[buy now]")
    return {what: (sum(times) / len(times), len(times)) for what, times in spent.items() if times}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces", description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=int, default=12)
    parser.add_argument("--steps", type=int, default=20, help="random steps a game")
    parser.add_argument("--original-python", default=sys.executable, help="the Python that has alfworld")
    parser.add_argument("--episodes", type=int, default=300, help="purchases in WebShop")
    options = parser.parse_args()
    for what, (mine, count) in shop(options.episodes).items():
        theirs = ORIGINAL_MS[what]
        print(f"WebShop {what}: recorded {theirs:.1f} ms, ours {mine:.3f} ms, {theirs / mine:,.0f} times ({count})")
    with tempfile.TemporaryDirectory() as folder:
        put_games(Path(folder), options.games)
        job = json.dumps([config_of(Path(folder)), options.games, options.steps])
        original, ours = run(options.original_python, ORIGINAL, job), run(sys.executable, OURS, job)
    if stable_hash(original["seen"]) != stable_hash(ours["seen"]):
        print("the two saw different things: replay them before measuring", file=sys.stderr)
        return 1
    for what, count in (("reset", options.games), ("step", options.games * options.steps)):
        theirs, mine = original["spent"][what] / count, ours["spent"][what] / count
        print(
            f"ALFWorld {what}: alfworld {1e3 * theirs:.1f} ms, ours {1e3 * mine:.3f} ms, {theirs / mine:,.0f} times ({count})"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
