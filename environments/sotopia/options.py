"""The options of SOTOPIA, and what follows from them alone. Reading a run needs no more of the environment than this."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.reading.parsing import label_with_reader, reader_of, reasks_of


class SotopiaOptions(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    protocol: Literal["sotopia-0.1.4", "epo", "strict"] = "sotopia-0.1.4"
    """Which variant of the rules is played; the README has the table."""
    max_turns: int = Field(default=20, ge=1, le=1000)
    """The original's setting. Under `epo`, as in its code, one action more is possible."""
    parsing: Literal["lenient", "exact", "0.1"] | None = None
    """Rule for reading answers: `lenient`, or `exact`, as the originals do. None: `lenient`, and `exact` under `protocol: epo`;
    the record's protocol says which. `0.1` is for going on with a run that was begun under that version."""
    reasks: int | None = Field(default=None, ge=0, le=5)
    """Number of times an unreadable answer is asked for again before it fails the episode; None: once, never under `exact`."""

    @property
    def reader(self) -> str:
        """By which reader answers are read."""
        return reader_of(self.parsing, like_the_paper=self.protocol == "epo")

    @property
    def times_asked_again(self) -> int:
        """Number of times an unreadable answer is asked for again."""
        return reasks_of(self.reasks, self.reader, earlier=1)

    @property
    def label(self) -> str:
        """The protocol's name with everything that changes its rules."""
        return label_with_reader(self.protocol, self.reader)
