"""A judge that guesses the word from the clues: 10 when it is right, 0 when it is wrong or the word was said."""

from __future__ import annotations

from harness.judging.judges.base import Judge, Score
from harness.results.records import EpisodeRecord


class Guess(Judge):
    description = "guesses the word from the clues"
    prompt = "Somebody described a word. Which word was it? Answer with that word only."

    def material(self, episode: EpisodeRecord) -> str:
        return "\n".join(turn.rendered for turn in episode.turns)  # the background, which names the word, is left out

    def score(self, answer: str, episode: EpisodeRecord) -> Score:
        if episode.end_reason == "the word was said":
            return Score(0, episode.end_reason)
        right = answer.strip().lower() in (episode.judge_background or "")
        return Score(10 if right else 0, f"guessed {answer!r}")
