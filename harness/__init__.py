"""The Python API: everything that a user or an author of a part needs comes from this one name (docs/api.md).

Names are loaded when they are first used: `import harness` loads nothing but this file.
"""

# ruff: noqa: F401
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for editors and type checkers
    # fmt: off
    # isort: off
    from agents.base import Actor, Answer, Ask, OwnTurn, Situation, Strategist, Strategy
    from agents.models.base import ChatReply, ChatRequest, Message
    from agents.models.provider import Provider, ProviderOptions
    from environments.base import Action, ActionFormat, BaselineEntry, Environment, Event, Metric, Outcome
    from environments.base import ParsedAnswer, Play, Progress, StepResult, Task, Unreadable, View
    from environments.game import Game
    from environments.prompts import Prompt
    from harness.api.playing import run
    from harness.api.printed import Comparisons, Ranking
    from harness.api.view import RunView, open
    from harness.base.errors import BadInput, Damaged, EpisodeError, HarnessError, Newer
    from harness.base.options import Options
    from harness.experiment.experiment import Experiment
    from harness.judging.judges.base import Judge, Score
    from harness.judging.rewards.process import ProcessReward, Work
    from harness.results.records import CallRecord, EpisodeRecord, ErrorInfo, JudgementRecord, OutcomeRecord
    from harness.results.records import ProcessRewardRecord, SeatRecord, StrategyReward, TurnRecord
    from harness.results.store import StoreFull
    # isort: on
    # fmt: on

_PLACES = {
    "agents.base": "Actor Answer Ask OwnTurn Situation Strategist Strategy",
    "agents.models.base": "ChatReply ChatRequest Message",
    "agents.models.provider": "Provider ProviderOptions",
    "environments.base": (
        "Action ActionFormat BaselineEntry Environment Event Metric Outcome ParsedAnswer Play Progress "
        "StepResult Task Unreadable View"
    ),
    "environments.game": "Game",
    "environments.prompts": "Prompt",
    "harness.api.playing": "run",
    "harness.api.printed": "Comparisons Ranking",
    "harness.api.view": "RunView open",
    "harness.base.errors": "BadInput Damaged EpisodeError HarnessError Newer",
    "harness.base.options": "Options",
    "harness.experiment.experiment": "Experiment",
    "harness.judging.judges.base": "Judge Score",
    "harness.judging.rewards.process": "ProcessReward Work",
    "harness.results.records": (
        "CallRecord EpisodeRecord ErrorInfo JudgementRecord OutcomeRecord ProcessRewardRecord SeatRecord "
        "StrategyReward TurnRecord"
    ),
    "harness.results.store": "StoreFull",
}
"""Module -> the names that it gives to this one."""
_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}; it has {', '.join(__all__)}")
    try:
        module = import_module(_MODULES[name])
    except ImportError:
        import_module("harness.base.own_packages").check_packages()
        raise
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
