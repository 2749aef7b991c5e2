"""State that changes while a game is played, small enough to copy in about a microsecond."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class State:
    """Numbers and masks as in `world.World`."""

    location: int
    """Location number of the agent."""
    held: int
    """Object number in the agent's hands, -1 when they are empty."""
    opened: int
    """Mask of receptacles."""
    clean: int
    hot: int
    cool: int
    sliced: int
    toggled: int
    """Masks of objects. Once clean, sliced or toggled an object stays so."""
    contents: list[int]
    """Per receptacle the mask of objects in it. Not a function of the object: one can be listed in several."""
    lying: list[int]
    """Per location the mask of objects there (PDDL objectAtLocation)."""
    taken: list[int]
    """Per receptacle the mask of objects that were taken out of it and not put back into it: what `look` lists
    as "next to it"."""

    def copy(self) -> State:
        """An independent copy."""
        return State(
            self.location,
            self.held,
            self.opened,
            self.clean,
            self.hot,
            self.cool,
            self.sliced,
            self.toggled,
            self.contents.copy(),
            self.lying.copy(),
            self.taken.copy(),
        )

    def key(self) -> tuple[object, ...]:
        """A hashable value, equal for equal states."""
        return (
            self.location,
            self.held,
            self.opened,
            self.clean,
            self.hot,
            self.cool,
            self.sliced,
            self.toggled,
            tuple(self.contents),
            tuple(self.lying),
            tuple(self.taken),
        )
