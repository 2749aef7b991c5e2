"""A quiz for the live gate: questions so easy that a 135M model gets many of them right, so that its score can drop.

In SOTOPIA, WebShop and ALFWorld SmolLM2-135M stands on the floor, where no gate can see a regression. Here one line
answers one question, through the strategists, the actor and the whole runner. The actor's prompt is the quiz's own: the
general one, which speaks of acting step by step, leaves this model saying that it is ready to help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from environments.base import (
    Action,
    ActionFormat,
    BaselineEntry,
    Environment,
    Metric,
    Outcome,
    ParsedAnswer,
    Play,
    Task,
    Unreadable,
)
from environments.game import Game
from environments.prompts import Prompt
from harness.base.seeds import stable_hash

QUESTIONS: tuple[tuple[str, str], ...] = (
    ("What is the capital of France?", "paris"),
    ("What is the capital of Italy?", "rome"),
    ("What is the capital of Germany?", "berlin"),
    ("What is the capital of Spain?", "madrid"),
    ("What is the capital of Japan?", "tokyo"),
    ("What is the capital of Russia?", "moscow"),
    ("What is the capital of China?", "beijing"),
    ("What is the capital of Egypt?", "cairo"),
    ("What is the capital of Greece?", "athens"),
    ("What is the capital of Portugal?", "lisbon"),
    ("What is the capital of England?", "london"),
    ("What is the capital of Canada?", "ottawa"),
    ("What is the capital of India?", "delhi"),
    ("What is the capital of Austria?", "vienna"),
    ("Which planet is the largest in our solar system?", "jupiter"),
    ("Which planet is known as the red planet?", "mars"),
    ("Which planet is closest to the sun?", "mercury"),
    ("Which star is at the centre of our solar system?", "sun"),
    ("Who wrote Romeo and Juliet?", "shakespeare"),
    ("Who wrote the theory of relativity?", "einstein"),
    ("Who painted the Mona Lisa?", "vinci"),
    ("Who was the first president of the United States?", "washington"),
    ("On which continent is Brazil?", "south america"),
    ("On which continent is Kenya?", "africa"),
    ("On which continent is India?", "asia"),
    ("On which continent is Poland?", "europe"),
    ("Which ocean lies between Europe and America?", "atlantic"),
    ("What is the largest ocean on Earth?", "pacific"),
    ("What is the longest river in Africa?", "nile"),
    ("What is the highest mountain on Earth?", "everest"),
    ("Which gas do plants take in from the air?", "carbon dioxide"),
    ("Which gas do people need to breathe?", "oxygen"),
    ("What is frozen water called?", "ice"),
    ("Which organ pumps blood through the body?", "heart"),
    ("Which animal says meow?", "cat"),
    ("Which animal barks?", "dog"),
    ("What do bees make?", "honey"),
    ("What do cows give us to drink?", "milk"),
    ("What colour is the sky on a clear day?", "blue"),
    ("What colour is grass?", "green"),
)


ACTOR = Prompt("benchmarks.quiz/actor", "$format\n\n$background")


def parse(answer: str) -> ParsedAnswer:
    """The whole answer."""
    if not answer.strip():
        raise Unreadable("expected an answer in one sentence")
    return ParsedAnswer(Action(answer.strip()))


class QuizPlay(Game):
    """One question."""

    max_turns = 1

    def __init__(self, question: str, wanted: str) -> None:
        self.question, self.wanted, self.said = question, wanted, ""

    def background(self, seat: int) -> str:
        return self.question

    def act(self, seat: int, action: Action) -> None:
        self.said, self.end_reason = action.text, "answered"

    def outcome(self) -> Outcome:
        right = self.wanted in self.said.lower()
        return Outcome(float(right), right)


def know(play: Play, seat: int, random: Random) -> Action:
    """The right answer."""
    assert isinstance(play, QuizPlay)
    return Action(play.wanted)


class Quiz(Environment):
    name = "quiz"
    metric = Metric("right", 0.0, 1.0, success_at=1.0)
    protocol = "quiz-1"
    action_format = ActionFormat(
        instructions="Answer the question.",
        instructions_with_thought="Think in one sentence, then answer the question in one short sentence.",
        parse=parse,
        schema=lambda view, with_thought: None,
    )
    baselines = {"know": BaselineEntry(know, "knows the answers", True)}

    def splits(self) -> Mapping[str, str]:
        return {"all": f"{len(QUESTIONS)} questions"}

    def tasks(self, split: str) -> Sequence[Task]:
        return [Task(f"quiz:{number}", split, f"quiz:{number}") for number in range(len(QUESTIONS))]

    def reset(self, task: Task, seed: int) -> Play:
        return QuizPlay(*QUESTIONS[int(task.id.partition(":")[2])])

    def prompt(self, role: str) -> Prompt | None:
        return ACTOR if role == "actor" else None

    def data_hashes(self, split: str) -> Mapping[str, str]:
        return {"questions": stable_hash(QUESTIONS)}
