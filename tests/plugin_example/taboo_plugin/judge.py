"""A judge that guesses the word from the clues: 10 when it is right, 0 when it is wrong or the word was said."""

from __future__ import annotations

import harness


class Guess(harness.Judge):
    description = "guesses the word from the clues"
    prompt = "Somebody described a word. Which word was it? Answer with that word only."

    def material(self, episode: harness.EpisodeRecord) -> str:
        return "\n".join(turn.rendered for turn in episode.turns)  # the background, which names the word, is left out

    def score(self, answer: str, episode: harness.EpisodeRecord) -> harness.Score:
        if episode.end_reason == "the word was said":
            return harness.Score(0, episode.end_reason)
        right = answer.strip().lower() in (episode.judge_background or "")
        return harness.Score(10 if right else 0, f"guessed {answer!r}")
