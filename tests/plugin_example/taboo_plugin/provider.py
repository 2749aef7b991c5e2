"""A provider without an endpoint: answers from a list in the config, by role and ordinal of the call."""

from __future__ import annotations

import harness


class Canned(harness.Provider):
    free = True

    class Options(harness.ProviderOptions):
        answers: dict[str, list[str]]
        """Role (actor, strategist, judge) -> its answers, repeated when they run out."""

    async def answer(self, request: harness.ChatRequest) -> str:
        who = request.identity
        if who.role not in self.config.answers:
            raise harness.EpisodeError("model", f"model {self.name!r} has no answers for the role {who.role!r}")
        answers = self.config.answers[who.role]
        return str(answers[who.ordinal % len(answers)])
