"""The colour and the shape that an arm keeps on every chart and page: a colour for each strategist, a shape for each actor (where
there is one actor, shapes tell strategists apart, too). Both style sheets have the colours as the classes `c0` to `c6`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agents.strategists import REFERENCE
from harness.compare.trained import recipe_name

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B")
"""Okabe and Ito's (2008), told apart by every kind of colour vision; the last one, grey, is the reference's."""
GREY = len(COLOURS) - 1
SHAPES = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star")
"""As plotly names them; the static page draws them from `OUTLINES`."""
OUTLINES = {
    "square": "-5,-5 5,-5 5,5 -5,5",
    "diamond": "0,-6.5 6.5,0 0,6.5 -6.5,0",
    "cross": "-2,-6 2,-6 2,-2 6,-2 6,2 2,2 2,6 -2,6 -2,2 -6,2 -6,-2 -2,-2",
    "triangle-up": "0,-6 6,5 -6,5",
    "x": "0,-2.8 3.2,-6 6,-3.2 2.8,0 6,3.2 3.2,6 0,2.8 -3.2,6 -6,3.2 -2.8,0 -6,-3.2 -3.2,-6",
    "star": "0,-7 1.7,-2.3 6.7,-2.2 2.7,0.9 4.1,5.7 0,2.8 -4.1,5.7 -2.7,0.9 -6.7,-2.2 -1.7,-2.3",
}
"""Corners of a shape in pixels around its middle; a circle has none."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An arm's colour and shape, as places in `COLOURS` and `SHAPES`."""

    colour: int = 0
    shape: int = 0

    @property
    def hue(self) -> str:
        return COLOURS[self.colour]

    @property
    def form(self) -> str:
        return SHAPES[self.shape]


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a board's arms."""

    strategists: tuple[str, ...]
    """Those beside the reference."""
    actors: tuple[str, ...]

    def of(self, strategist: str, actor: str | None = None) -> Mark:
        """The mark of an arm; without an actor, or for one that is not there, the strategist's first."""
        colour, turn = (GREY, 0) if strategist == REFERENCE else self._colour(strategist)
        if len(self.actors) < 2:
            return Mark(colour, (colour + turn) % len(SHAPES))
        place = self.actors.index(actor) if actor in self.actors else 0
        return Mark(colour, (place + len(self.actors) * turn) % len(SHAPES))

    def _colour(self, strategist: str) -> tuple[int, int]:
        """A strategist's colour, which names that differ by a number at the end share (trainings of one recipe), and how many
        before it have the same one."""
        recipes = list(dict.fromkeys(map(recipe_name, self.strategists)))
        colours = {name: recipes.index(recipe_name(name)) % GREY for name in self.strategists}
        colour = colours.get(strategist, 0)
        alike = [name for name, each in colours.items() if each == colour]
        return colour, alike.index(strategist) if strategist in alike else 0

    def and_of(self, strategists: Iterable[str]) -> Marks:
        """The same marks, and marks after them for strategists that are not there."""
        more = (name for name in strategists if name != REFERENCE)
        return Marks(tuple(dict.fromkeys([*self.strategists, *more])), self.actors)


def marks_of(arms: Iterable[tuple[str, str]]) -> Marks:
    """The marks of the arms, each a strategist and an actor, in their order."""
    every = list(arms)
    strategists = dict.fromkeys(strategist for strategist, _ in every if strategist != REFERENCE)
    return Marks(tuple(strategists), tuple(dict.fromkeys(actor for _, actor in every)))
