"""Our games as TRL's trainer wants them: `GRPOTrainer(environment_factory=partial(AlfworldTools, "builtin-train"))`.

TRL makes every public function of the class a tool, so that helpers have a leading underscore. It hands `reset` every column of
a row; the column `task` names the game, and rows are repeated for each member of a group, which therefore play the same one. A
rollout's reward is one number here; `harness.bridges.trl_trainer` gives each turn its own. Needs no package but our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.base.errors import BadInput
from harness.bridges.credit import Credit, CreditName, credit_by
from harness.bridges.games import Game, World, world

OVER = "The game is over. Answer without a tool."


class _Tools:
    """A game whose commands are tools. A subclass gives the tools and says what they are for."""

    name = ""
    """The environment's."""
    instructions = ""
    """What the user message says before the game's first text."""

    def __init__(
        self,
        split: str,
        options: Mapping[str, Any] | None = None,
        *,
        credit: CreditName = "progress",
        commands: bool = True,
    ) -> None:
        """`options`: the environment's. `credit`: what a turn was worth (docs/bridges.md). `commands`: list the possible commands
        under every text. Raises `BadInput`."""
        self._world: World = world(self.name, split, options)
        self._credit: Credit = credit_by(credit, self._world.environment)
        self._commands = commands
        self.game: Game | None = None
        """The game in progress; None before the first `reset`."""
        self.credits: list[float] = []
        """What each call of a tool was worth, in order; 0 for a call after the end."""

    def reset(self, task: str | None = None, seed: int = 0, **row: Any) -> str:
        """Begin the game of a row's column `task`; other columns are not looked at. Returns its first text. Raises `BadInput`
        for a row without a task."""
        if task is None:
            raise BadInput(
                f"{type(self).__name__}: a row needs a column `task` with a task's id (`harness.bridges.trl.rows`)"
            )
        self.game, self.credits = self._world.begin(task, seed, self._credit), []
        return self._shown()

    def get_reward(self) -> float:
        """The outcome in the environment's own metric: 1 for a game that was won, a purchase's reward."""
        return self.game.score if self.game is not None else 0.0

    def _do(self, command: str) -> str:
        if self.game is None or self.game.done:
            self.credits.append(0.0)
            return OVER
        self.credits.append(self.game.act(command).credit)
        return self._shown()

    def _shown(self) -> str:
        assert self.game is not None
        text, possible = self.game.observation, self.game.available
        if self.game.done:
            return f"{text}\n\n{OVER}"
        return f"{text}\n\nPossible commands: {', '.join(possible)}" if self._commands and possible else text


class AlfworldTools(_Tools):
    """ALFWorld with one tool, `act`."""

    name = "alfworld"
    instructions = (
        "Reach the goal of this game. Give one command a turn with the tool `act`, and read what comes of it.\n\n"
    )

    def act(self, command: str) -> str:
        """Give the game a command.

        Args:
            command: The command, for example "go to shelf 1", "take mug 1 from shelf 1" or "look".

        Returns:
            What happens, and which commands are possible next.
        """
        return self._do(command)


class WebShopTools(_Tools):
    """WebShop with two tools, `search` and `click`."""

    name = "webshop"
    instructions = (
        "Buy what is asked for. Search with the tool `search`, choose products, options and buttons with the tool `click`, and "
        'end with a click on "Buy Now".\n\n'
    )

    def search(self, words: str) -> str:
        """Search the shop. Only possible on a page with a search bar.

        Args:
            words: The words to search for.

        Returns:
            The page with the results.
        """
        return self._do(f"search[{words}]")

    def click(self, name: str) -> str:
        """Click a button, a product or an option of the page.

        Args:
            name: The text of what is clicked, for example "Buy Now", "Next >" or a product's number.

        Returns:
            The page that follows.
        """
        return self._do(f"click[{name}]")


def progress(environments: Sequence[_Tools], **columns: Any) -> list[float]:
    """A reward function for `reward_funcs`, beside the outcome: how far each game came, 0 to 1 (the sum of its turns'
    progress)."""
    return [each.game.progress if each.game is not None else 0.0 for each in environments]


def rows(
    kind: type[_Tools], split: str, count: int | None = None, options: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of a training data set, one for each of a split's first `count` tasks: `Dataset.from_list(rows(…))`."""
    tasks = world(kind.name, split, options).tasks
    prompt = [{"role": "user", "content": kind.instructions}]
    return [{"prompt": prompt, "task": task.id} for task in tasks[: len(tasks) if count is None else count]]


def calls_that_arrived(environment: _Tools, messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """For each assistant message of a rollout the number of its tool calls that reached the environment: those that name a
    tool of it, with the arguments that it takes. TRL answers the others itself."""
    return [
        sum(_arrives(environment, call) for call in message.get("tool_calls") or [])
        for message in messages
        if message["role"] == "assistant"
    ]


def _arrives(environment: _Tools, call: Mapping[str, Any]) -> bool:
    function = call.get("function") or {}
    name, arguments = str(function.get("name")), function.get("arguments")
    tool = None if name.startswith("_") or name in ("reset", "get_reward") else getattr(type(environment), name, None)
    if not callable(tool) or not isinstance(arguments, Mapping) or call.get("type") != "function":
        return False
    wanted = set(tool.__code__.co_varnames[1 : tool.__code__.co_argcount])
    return set(arguments) == wanted


def turn_credits(environment: _Tools, messages: Sequence[Mapping[str, Any]]) -> list[float]:
    """What each assistant message of a rollout was worth: the sum over its calls; 0 for one without a call."""
    left = iter(environment.credits)
    return [sum(next(left, 0.0) for _ in range(count)) for count in calls_that_arrived(environment, messages)]
