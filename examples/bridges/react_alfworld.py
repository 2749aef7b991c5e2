"""An agent in the manner of ReAct in ALFWorld: the model thinks or acts, one line a turn; thoughts do not reach the game.

    harness data generate alfworld --n 12 --out games
    python -m examples.bridges.react_alfworld games --episodes 3
    python -m examples.bridges.react_alfworld games --model NAME --base-url http://127.0.0.1:8080/v1

The script is written against the package alfworld; one line of it, the import, names our engine instead. Without a model, a
fixed policy looks for the things that the task names, so that the loop can be tried.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

from harness.bridges.alfworld.agents.environment import get_environment

Ask = Callable[[str], str]
"""Prompt in, one line of the model's out."""

INSTRUCTIONS = """Do the task in the house. Each turn write one line: "think: ..." to think, or a command such as
"go to shelf 1", "take mug 1 from shelf 1", "move mug 1 to desk 1", "open drawer 1", "clean mug 1 with sinkbasin 1".
"""
MAX_TURNS = 60


def config_for(folder: str, limit: int) -> dict[str, Any]:
    """The parts of alfworld's config that its text environment reads."""
    training = {"training": {"max_nb_steps_per_episode": limit}}
    return {
        "env": {
            "type": "AlfredTWEnv",
            "goal_desc_human_anns_prob": 0,
            "task_types": [1, 2, 3, 4, 5, 6],
            "domain_randomization": False,
            "expert_type": "handcoded",
        },
        "general": {"training_method": "dqn"},
        "rl": training,
        "dataset": {"data_path": folder, "num_train_games": -1},
    }


def play(env: Any, ask: Ask) -> tuple[bool, str]:
    """One episode. Returns (won, what was said and done)."""
    obs, infos = env.reset()
    transcript = f"{INSTRUCTIONS}\n{obs[0]}\n>"
    for _ in range(MAX_TURNS):
        line = ask(transcript).strip()
        if line.startswith("think:"):
            answer = "OK."
        else:
            obs, _, dones, infos = env.step([line])
            answer = obs[0]
            if dones[0]:
                return infos["won"][0], f"{transcript} {line}\n{answer}\n"
        transcript += f" {line}\n{answer}\n>"
    return False, transcript


TOOLS = {"clean": "sinkbasin 1", "hot": "microwave 1", "heat": "microwave 1", "cool": "fridge 1"}


def fixed_policy() -> Ask:
    """A stand-in for a model: thinks once, then visits place after place, and brings what the task names where it names."""
    visited: list[str] = []
    queue: list[str] = []

    def ask(transcript: str) -> str:
        last = transcript.rsplit("\n", 2)[-2]
        start = transcript.index("Looking quickly") if "Looking quickly" in transcript else 0
        places = re.findall(r"a (\w+ \d+)", transcript[start:].split("\n")[0])
        task = transcript.rsplit("Your task is to: ", 1)[-1].split("\n")[0].rstrip(".").split()
        if last.startswith("Your task is to"):
            visited.clear()
            queue.clear()
            return "think: I will look everywhere for what the task names."
        if last.startswith("You pick up"):
            thing = re.findall(r"pick up the (\w+ \d+)", last)[0]
            tool = next((TOOLS[word] for word in task if word in TOOLS), None)
            verb = {"sinkbasin 1": "clean", "microwave 1": "heat", "fridge 1": "cool"}.get(tool or "")
            target = next((place for place in places if place.split()[0] in task), "")
            queue.extend([f"go to {tool}", f"{verb} {thing} with {tool}"] if tool else [])
            queue.extend([f"go to {target}", f"open {target}", f"move {thing} to {target}"])
        if queue:
            return queue.pop(0)
        wanted = [thing for thing in re.findall(r"a (\w+ \d+)", last) if thing.split()[0] in task]
        if wanted and visited and visited[-1].split()[0] not in task:
            return f"take {wanted[0]} from {visited[-1]}"
        if last.endswith("is closed."):
            return f"open {visited[-1]}"
        visited.append(next((place for place in places if place not in visited), places[0] if places else ""))
        return f"go to {visited[-1]}"

    return ask


def model_at(name: str, base_url: str) -> Ask:
    """A model behind an OpenAI-compatible address; the key, if it needs one, is in OPENAI_API_KEY."""
    from openai import OpenAI

    client = OpenAI(base_url=base_url)

    def ask(transcript: str) -> str:
        messages: Any = [{"role": "user", "content": f"{transcript} (one line)"}]
        reply = client.chat.completions.create(model=name, messages=messages, temperature=0, max_tokens=60)
        return (reply.choices[0].message.content or "look").strip().splitlines()[0].removeprefix("> ")

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "games", help="folder with games, for example the one that `harness data generate alfworld` wrote"
    )
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--limit", type=int, default=30, help="commands an episode")
    parser.add_argument("--model")
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1")
    options = parser.parse_args()
    ask = model_at(options.model, options.base_url) if options.model else fixed_policy()
    env: Any = get_environment("AlfredTWEnv")(config_for(options.games, options.limit), train_eval="train")
    env = env.init_env(batch_size=1)
    wins = 0
    for number in range(options.episodes):
        won, transcript = play(env, ask)
        wins += won
        print(f"--- episode {number + 1}: {'won' if won else 'lost'}\n{transcript}")
    print(f"{wins} of {options.episodes} won")


if __name__ == "__main__":
    main()
