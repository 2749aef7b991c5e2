"""The answer: does a strategist help here? One sentence for each environment, the uplifts drawn under it, and the same task
played with and without the strategist. The static page and the viewer begin with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agents.strategists import REFERENCE
from harness.compare.answers import EnvironmentAnswer, environment_answers
from harness.compare.arms import Arm
from harness.compare.comparison import CONTROL, Comparison, Family
from harness.compare.conclusions import SIGNS, correction, finding, is_asked, names
from harness.compare.questions import by_run, only, questions
from harness.results.index import episode_offset
from leaderboard.board import Board
from leaderboard.duel import divergence
from leaderboard.episodes import read_conversation
from leaderboard.marks import Marks
from leaderboard.page.drawings import Dot, difference_range, dots
from leaderboard.page.markup import Content, coded, node
from leaderboard.page.pair import Bar, drawn_bar, side_by_side
from leaderboard.page.sections import arm_marks
from leaderboard.pairs import same_game, seat_goals, task_text

QUESTION = "Does a strategist make an LLM agent reach its goal more often?"
KEY = f"Each mark is the mean difference from {REFERENCE} on the same tasks with the same seeds, with its 95 % interval. Faint: "
KEY += (
    "not shown. Open marks, on every chart: controls, whose strategies do not fit the task, and references below them."
)
SMALL = "Small marks: single trainings of the recipe above them."


@dataclass(frozen=True, slots=True)
class Answered:
    """The questions of one run, and its answers by environment."""

    run: str
    family: Family
    answers: list[EnvironmentAnswer]


def answered(board: Board) -> list[Answered]:
    """The runs of a board that ask whether a strategist helps. Runs are never put into one answer."""
    found = []
    for arms in by_run(board.arms):
        family = _own_questions(board, arms)
        if answers := environment_answers(family):
            found.append(Answered(arms[0].source, family, answers))
    return found


def _own_questions(board: Board, arms: Sequence[Arm]) -> Family:
    """A run's questions, against references of its own alone."""
    family = only(board.asked, arms)
    own = all(row.a.source == row.b.source for row in family.rows)
    return family if own else questions([arms])


Draw = Callable[[str, Sequence[Dot], float, float, str], Content]
"""(title, marks, low, high, axis's name) -> a drawing of differences on an axis from `low` to `high`."""


def drawn_dots(title: str, marks: Sequence[Dot], low: float, high: float, axis: str) -> Content:
    """The differences as an SVG."""
    return dots(title, marks, low, high, zero=0.0, axis=axis)


def answer_parts(board: Board, draw: Draw = drawn_dots) -> list[Content]:
    """Each environment's answer with the drawing of its uplifts; nothing where no run asks."""
    every = answered(board)
    several = len(every) > 1
    marks = arm_marks(board)
    said = node("dl", class_="answers")
    parts: list[Content] = [said]
    count = sum(len(each.answers) for each in every)
    for each in every:
        for found in each.answers:
            title = " · ".join(found.place) + (f" · {each.run}" if several else "")
            said.append(node("dt", title))
            said.append(node("dd", node("strong", f"{found.lead}."), " ", found.sentence, class_="verdict"))
            parts += [
                node("h3", title) if count > 1 else None,
                node("p", *coded(" ".join(found.more)), class_="note"),
                _drawn(uplifts(each.family, found, marks), title, draw),
            ]
        key = f"{KEY} {SMALL}" if any(row.single for row in each.family.rows) else KEY
        parts.append(node("p", f"{key} {correction(each.family)}", class_="note"))
    return parts if every else []


NOT_ASKED = (
    "These runs ask no question: a question needs a strategist and the reference on the same tasks and actor. Add them to the "
    "experiment and go on with"
)
"""Text that stands in place of an answer, before the command that goes on with a run."""


def said_in_short(board: Board) -> str:
    """All answers in one line, for the card of a link; empty where no run asks."""
    return " ".join(
        f"{found.place[0]}: {found.lead}. {found.sentence}" for each in answered(board) for found in each.answers
    )


def _drawn(shown: Uplifts, title: str, draw: Draw) -> Content:
    title = f"{title}: {shown.axis}, paired, with 95 % interval"
    return draw(title, shown.marks, shown.low, shown.high, shown.axis)


@dataclass(frozen=True, slots=True)
class Uplifts:
    """The differences to the reference in one environment, and the axis they are drawn on."""

    marks: tuple[Dot, ...]
    low: float
    high: float
    axis: str


def uplifts(family: Family, found: EnvironmentAnswer, marks: Marks, one_actor: bool = False) -> Uplifts:
    """The uplifts of one environment: what was asked first, then the controls, and last the references that stand apart.
    `one_actor`: only those of the actor that the answer is about."""
    rows = [row for row in family.rows if tuple(row.b.axes[name] for name in PLACE) == found.place]
    if one_actor:
        actor = family.rows[found.number].b.axes["actor"]
        rows = [row for row in rows if row.b.axes["actor"] == actor]
    rows.sort(key=lambda row: (row.b.stands_apart, row.b.role == CONTROL, not (is_asked(row) or row.single)))
    several = len({row.b.axes["actor"] for row in rows}) > 1
    drawn = tuple(uplift_mark(row, several, marks) for row in rows)
    low, high = difference_range(drawn, max(row.span or 0.0 for row in rows) or None)
    return Uplifts(drawn, low, high, f"difference in {rows[0].metric_name} from {REFERENCE}")


PLACE = ("environment", "split", "pairing")
NAMELESS = {"": "the seat", "agent": "the agent"}


def uplift_mark(row: Comparison, several_actors: bool, marks: Marks) -> Dot:
    """Make the chart's dot of a comparison: its difference and interval, under the name of the second arm."""
    d = row.result.estimate
    name = names(row)[1] + (f" + {row.b.axes['actor']}" if several_actors else "")
    known = d.mean == d.mean
    return Dot(
        name,
        d.mean if known else None,
        d.low if d.low == d.low else None,
        d.high if d.high == d.high else None,
        hollow=row.b.role == CONTROL or row.b.stands_apart,
        faded=finding(row) not in SIGNS,
        mark=marks.of(_one_training(row).b.axes["strategist"], row.b.axes["actor"]),
        small=row.single,
    )


def _one_training(row: Comparison) -> Comparison:
    """The first of several trainings, however it did; any other row itself."""
    return row.trainings[0] if row.trainings else row


Episode = tuple[str, str]
"""A run's name and an episode's id."""
Whole = Callable[[Episode], str | None]
"""Gives the address of an episode's transcript; None where there is none."""


def pair_parts(board: Board, bar: Bar = drawn_bar, whole: Whole = lambda _: None) -> list[Content]:
    """One task for each answer, played by both arms with the same seed, turn by turn."""
    return [
        part for each in answered(board) for found in each.answers for part in _pair(board, each, found, bar, whole)
    ]


def _pair(board: Board, each: Answered, found: EnvironmentAnswer, bar: Bar, whole: Whole) -> Iterator[Content]:
    row = _one_training(each.family.rows[found.number])
    folder = board.names[each.run]
    game = same_game(folder, row)
    if game is None:
        return
    one, other = (
        read_conversation(folder, each.run, episode_offset(folder, record.episode_id))
        for record in (game.without, game.helped)
    )
    labels = [f"{record.strategist} + {record.actor}" for record in (game.without, game.helped)]
    goals = seat_goals(game.without)
    asked = " and ".join(name for name, _ in goals) if goals else task_text(game.without)
    yield node("h3", f"{found.place[0]}: {asked}")
    if goals:
        yield node("ul", *(node("li", node("b", name), f": {goal}") for name, goal in goals), class_="goals")
    yield node("p", f"{game.why} ", node("span", f"Task {game.without.task_id}", class_="id"), class_="note")
    for seat in game.without.seats:
        told = node("div", seat.background.strip(), class_="seen")
        yield node("details", node("summary", f"What {NAMELESS.get(seat.name, seat.name)} was told"), told)
    links = [whole((each.run, shown.record.episode_id)) for shown in (one, other)]
    parts = divergence(one.record, other.record)
    yield from side_by_side(one, other, parts, (labels[0], labels[1]), bar, (links[0], links[1]))
