"""An agent in the manner of Reflexion in WebShop: after a trial that did not score 1 the model says what it learnt, and the next
trial at the same goal begins with that.

    python -m examples.bridges.reflexion_webshop --goals 5
    python -m examples.bridges.reflexion_webshop --goals 5 --model NAME --base-url http://127.0.0.1:8080/v1
    python -m examples.bridges.reflexion_webshop --products ../data/items_shuffle_1000.json

The script is written against WebShop's package `web_agent_site`; one line of it, the import, names our shop instead. Without
`--products` it shops among made-up ones; without a model, a fixed policy buys, and reflects by rule.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

from harness.bridges.web_agent_site.envs import WebAgentTextEnv

Ask = Callable[[str], str]
"""Prompt in, the model's text out."""

INSTRUCTIONS = """Buy what the instruction asks for. Each turn write one line: "search[words]" where there is a search bar, or
"click[button]" with one of the buttons.
"""
MAX_TURNS = 12
REFLECT = "The trial is over. In one sentence beginning with 'Next time', say what to do differently."


def trial(env: Any, goal: int, lessons: list[str], ask: Ask) -> tuple[float, str]:
    """Shop once. Returns (reward, what was seen and done)."""
    obs, _ = env.reset(goal)
    learnt = "".join(f"Learnt before: {lesson}\n" for lesson in lessons)
    transcript = f"{INSTRUCTIONS}{learnt}\nObservation: {obs}\n"
    for _ in range(MAX_TURNS):
        possible = env.get_available_actions()
        buttons = f"search bar: {possible['has_search_bar']}, buttons: {possible['clickables']}"
        action = ask(f"{transcript}({buttons})\nAction:").strip()
        obs, reward, done, _ = env.step(action)
        transcript += f"Action: {action}\nObservation: {obs}\n"
        if done:
            return float(reward), transcript
    return 0.0, transcript


def learn(env: Any, goal: int, trials: int, ask: Ask) -> list[float]:
    """The rewards of up to so many trials at one goal, until one scores 1."""
    lessons: list[str] = []
    rewards: list[float] = []
    while len(rewards) < trials and (not rewards or rewards[-1] < 1):
        reward, transcript = trial(env, goal, lessons, ask)
        rewards.append(reward)
        lessons.append(ask(f"{transcript}Reward: {reward}\n{REFLECT}").strip())
    return rewards


def fixed_policy(prompt: str) -> str:
    """A stand-in for a model: buys the first product found, after as many looks at others as it has learnt to take, and chooses
    the options that the instruction names."""
    if prompt.endswith(REFLECT):
        return "Next time look at another product."
    looks = prompt.count("Learnt before:")
    wanted = re.findall(r"Instruction: \[SEP\] (.*?) \[SEP\]", prompt)[-1].lower()
    buttons = re.findall(r"'([^']*)'|\"([^\"]*)\"", prompt.rsplit("buttons: ", 1)[-1])
    names = [first or second for first, second in buttons]
    if "search" in names:
        return f"search[{wanted}]"
    if "buy now" not in names:
        products = [name for name in names if name not in ("back to search", "next >", "< prev")]
        return f"click[{products[min(looks, len(products) - 1)]}]" if products else "click[back to search]"
    tabs = ("back to search", "< prev", "description", "features", "reviews", "buy now")
    chosen = re.findall(r"Action: click\[(.*?)\]", prompt)
    options = [name for name in names if name not in tabs and name in wanted and name not in chosen]
    return f"click[{options[0]}]" if options else "click[buy now]"


def model_at(name: str, base_url: str) -> Ask:
    """A model behind an OpenAI-compatible address; the key, if it needs one, is in OPENAI_API_KEY."""
    from openai import OpenAI

    client = OpenAI(base_url=base_url)

    def ask(prompt: str) -> str:
        messages: Any = [{"role": "user", "content": prompt}]
        reply = client.chat.completions.create(model=name, messages=messages, temperature=0, max_tokens=80)
        return (reply.choices[0].message.content or "").strip().split("\n")[0].removeprefix("Action: ")

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--products", help="product file that was imported (`harness data`); without it, made-up products"
    )
    parser.add_argument("--goals", type=int, default=5)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--model")
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1")
    options = parser.parse_args()
    ask = model_at(options.model, options.base_url) if options.model else fixed_policy
    products: dict[str, Any] = {"file_path": options.products or "builtin"}
    env = WebAgentTextEnv(observation_mode="text", human_goals=True, **products)
    first, best = 0.0, 0.0
    for goal in range(options.goals):
        rewards = learn(env, goal, options.trials, ask)
        first, best = first + rewards[0], best + max(rewards)
        print(f"goal {goal}: {', '.join(f'{reward:.2f}' for reward in rewards)}")
    print(f"mean reward: first trial {first / options.goals:.3f}, best trial {best / options.goals:.3f}")


if __name__ == "__main__":
    main()
