"""The options of ALFWorld, and what follows from them alone. Reading a run needs no more of the environment than this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.reading.parsing import label_with_reader, reader_of, reasks_of

MAX_STEPS: Mapping[str, int] = {"alfworld-0.4.2": 50, "epo": 40}
"""Steps that each protocol allows."""
TaskType = Literal[
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
]
StepsLeft = Annotated[int, Field(ge=1, le=50)]


class AlfworldOptions(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    protocol: Literal["alfworld-0.4.2", "epo"] = "alfworld-0.4.2"
    """`alfworld-0.4.2`: the present text format and 50 steps. `epo`: the paper's, older format and 40 actions."""
    max_steps: int | None = Field(default=None, ge=1, le=1000)
    """Another limit than the protocol's; the record's protocol says so."""
    steps_left: StepsLeft | tuple[StepsLeft, ...] | None = None
    """Begin where so many commands of a shortest plan are left; the expert has done those before. Several numbers: one of
    them for each task, drawn by its id. None = at the start."""
    order: Literal["seeded", "sorted"] = "seeded"
    """Tasks by path, or shuffled by `order_seed`, so that the first n are a mixture."""
    order_seed: int = 0
    """Seed of the shuffled order."""
    task_types: tuple[TaskType, ...] | None = None
    """Only these task types; None = all six."""
    other_put_form: Literal["refuse", "accept"] = "refuse"
    """Treatment of a command that is right but for its wording (`put O in R`, `put O onto R`, the other text format's word,
    `the mug 1`, a final period): answer "Nothing happens." as the original and note it in the step's info, or understand it."""
    prompts: Literal["full", "brief", "notes"] = "full"
    """`brief`: short prompts of the task, what was done and the possible commands, without the room, for small models; with
    `history: 0` each turn's prompt is a short one of its own. `notes`: each turn's prompt is a short one of its own with the
    task, where the agent is, what lies there, what it holds and what it saw, without the possible commands."""
    answers: Literal["free", "choice"] = "free"
    """`choice`: the actor sees the possible commands and structured output holds it to them, for small models that write
    anything but commands; the record's protocol says so."""
    parsing: Literal["lenient", "exact", "0.1"] | None = None
    """Rule for reading answers: `lenient`, or `exact`, as the paper's wrapper does. None: `lenient`, and `exact` under
    `protocol: epo`; the record's protocol says which. `0.1` is for going on with a run that was begun under that version."""
    reasks: int | None = Field(default=None, ge=0, le=5)
    """Number of times an unreadable answer is asked for again before it costs a step; None: once under `lenient`, else never,
    as the original."""

    @property
    def reader(self) -> str:
        """By which reader answers are read."""
        return reader_of(self.parsing, like_the_paper=self.protocol == "epo")

    @property
    def times_asked_again(self) -> int:
        """Number of times an unreadable answer is asked for again."""
        return reasks_of(self.reasks, self.reader, earlier=0)

    @property
    def label(self) -> str:
        """The protocol's name with everything that changes its rules."""
        label: str = self.protocol
        if self.max_steps not in (None, MAX_STEPS[self.protocol]):
            label += f"+max_steps={self.max_steps}"
        if self.steps_left is not None:
            numbers = self.steps_left if isinstance(self.steps_left, tuple) else (self.steps_left,)
            label += f"+steps_left={'/'.join(map(str, numbers))}"
        if self.answers == "choice":
            label += "+choice"
        if self.other_put_form == "accept":
            label += "+both-put-forms"
        return label_with_reader(label, self.reader)
