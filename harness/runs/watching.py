"""Listening to how calls end while a run plays: where an endpoint cannot be used as it is set up, going on would only fail
episode after episode, so the run is stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from agents.models.base import Model
from harness.base.errors import EpisodeError
from harness.results.reasons import why

IN_A_ROW = 5
"""Set-up failures of an endpoint, or of one model there, without a success between, that stop a run."""
UNKNOWN = "unknown-refusal"
"""The short name of a refusal in words that nobody knows. One request can be at fault; so many cannot."""
MOST_UNKNOWN = 20
"""Such refusals by one endpoint that stop a run."""


def endpoint_of(model: Model) -> str:
    """Key that tells endpoints apart: the address, or for a model of this machine its provider and name."""
    return model.base_url or f"{model.provider}:{model.model}"


class EndpointWatch:
    """Counts failures of the models of a run, by their names in the config."""

    def __init__(self, models: Mapping[str, Model], stop: Callable[[str], None] = lambda reason: None) -> None:
        """`stop` hears, once, why the run should end: a line, and one that says what to do."""
        self.stop = stop
        self._endpoints = {name: endpoint_of(model) for name, model in models.items()}
        self._in_a_row: Counter[str] = Counter()
        """Per endpoint, and per model of the config."""
        self._unknown: Counter[str] = Counter()
        """Per endpoint."""
        self._stopped = False

    def succeeded(self, name: str) -> None:
        """A model answered. Costs next to nothing while all goes well."""
        if self._in_a_row:
            self._in_a_row.pop(name, None)
            self._in_a_row.pop(self._endpoints[name], None)

    def failed(self, name: str, problem: EpisodeError) -> None:
        """A call of a model failed for good."""
        if problem.failure != "setup":
            return
        endpoint = self._endpoints[name]
        if problem.reason == UNKNOWN:
            self._unknown[endpoint] += 1
            if self._unknown[endpoint] >= MOST_UNKNOWN:
                self._say_stop(f"{MOST_UNKNOWN} requests to {endpoint} were refused", problem)
            return
        for key in (name, endpoint):
            self._in_a_row[key] += 1
        if max(self._in_a_row[name], self._in_a_row[endpoint]) >= IN_A_ROW:
            self._say_stop(f"{IN_A_ROW} calls in a row to {endpoint} failed", problem)

    def _say_stop(self, what: str, problem: EpisodeError) -> None:
        if not self._stopped:
            self._stopped = True
            reason = problem.reason or problem.kind
            said = " ".join(problem.message.split())
            self.stop(f"{what} ({reason}): {said}\nWhat to do: {why(reason).advice}")
