"""A judge that guesses the word from the clues: 10 when it is right, 0 when it is wrong or the word was said."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from agents.models.base import CallIdentity, ChatRequest, Message, Model
from environments.prompts import Prompt
from harness.base.errors import EpisodeError
from harness.base.seeds import call_seed
from harness.experiment.specs import JudgeSpec
from harness.judging import judgement_id, unscored
from harness.play.calls import CallLedger, recorded_call
from harness.results.judge_kinds import JudgeKind
from harness.results.records import EpisodeRecord, ErrorInfo, JudgementRecord

PROMPT = Prompt(
    "taboo_plugin/guess", "Somebody described a word.\n$clues\nWhich word was it? Answer with that word only."
)


class GuessJudge:
    def __init__(self, spec: JudgeSpec, model: Model) -> None:
        self._spec, self._model = spec, model
        self.label = f"guess/{model.name}/{PROMPT.version}"

    async def judge(self, episode: EpisodeRecord) -> JudgementRecord:
        ledger, started, clock = CallLedger(), datetime.now(UTC), time.monotonic()
        try:
            guess = await self._guess(episode, ledger)
        except EpisodeError as problem:  # owed, never a score
            return unscored(episode, self.label, ErrorInfo(kind=problem.kind, message=problem.message), ledger.calls)
        cheated = any(turn.info["said_the_word"] for turn in episode.turns)
        right = guess.strip().lower() in (episode.judge_background or "") and not cheated
        return JudgementRecord(
            judgement_id=judgement_id(episode.episode_id, self.label),
            episode_id=episode.episode_id,
            episode_attempt=episode.attempt,
            judge=self.label,
            status="scored",
            scores=[{"goal": 10.0 if right else 0.0, "overall": 10.0 if right else 0.0}],
            reasons=[{"goal": "the word was said" if cheated else f"guessed {guess!r}"}],
            calls=ledger.calls,
            judged_at=started.isoformat(timespec="milliseconds"),
            duration_s=round(time.monotonic() - clock, 4),
        )

    async def _guess(self, episode: EpisodeRecord, ledger: CallLedger) -> str:
        clues = "\n".join(f"Clue: {turn.rendered!r}" for turn in episode.turns)
        request = ChatRequest(
            messages=(Message("user", PROMPT.fill(clues=clues)),),
            temperature=self._spec.temperature,
            max_tokens=self._spec.max_tokens,
            seed=call_seed(episode.seed, 0, "judge", 0),
            identity=CallIdentity(episode.episode_id, episode.repeat, 0, "judge", 0),
        )
        reply = await recorded_call(self._model, request, ledger, None, PROMPT)
        return reply.text


KIND = JudgeKind(
    make=GuessJudge,
    description="guesses the word from the clues",
    dimensions=(("goal", 0.0, 10.0), ("overall", 0.0, 10.0)),
    metric="goal",
)
