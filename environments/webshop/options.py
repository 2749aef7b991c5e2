"""The options of WebShop, and what follows from them alone. Reading a run needs no more of the environment than this."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.reading.parsing import label_with_reader, reader_of, reasks_of

ObservationMode = Literal["text", "text_rich"]
Kind = Literal["human", "synthetic"]
Overlap = Literal["refuse", "drop", "allow"]


class WebShopOptions(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    protocol: Literal["original", "sound"] = "original"
    """`original` keeps the original's quirks, `sound` mends those that are plainly faults; the README lists them."""
    observation: ObservationMode = "text"
    """Which of the original's observation texts the agent gets."""
    observation_limit: int | None = Field(default=None, ge=200)
    """Cut observations to this many characters (for models with a short memory); None, as the original: never."""
    max_steps: int = Field(default=10, ge=1, le=1000)
    """Actions in an episode; the paper's setting."""
    goals: Kind = "human"
    """Instructions that people wrote, or those made from products and all their options."""
    seed: int = 0
    """Seed of the prices inside price ranges and of the price limits in instructions, which the original leaves to chance."""
    skip_broken: bool = False
    """Leave out goals that cannot score 1 even with the wanted product and options."""
    overlap: Overlap = "refuse"
    """The 21 training goals of the paper that are test goals too: refuse the split, drop them, or allow them."""
    show_attributes: bool = False
    """Offer the page that shows a product's attributes, category and query (a help; off in the original's default)."""
    prompts: Literal["full", "brief"] = "full"
    """`brief`: a short prompt for the strategist, for small models."""
    parsing: Literal["lenient", "exact", "0.1"] | None = None
    """Rule for reading answers: `lenient` (None), or `exact`, as the paper's wrapper does; the record's protocol says which.
    `0.1` is for going on with a run that was begun under that version."""
    reasks: int | None = Field(default=None, ge=0, le=10)
    """Number of times an unreadable answer is asked for again; None: once under `lenient`, else never, as in the paper."""
    catalogue: str | None = None
    """Name of an imported catalogue; None: the full one, or the only one."""
    builtin_products: int = Field(default=1000, ge=50, le=2_000_000)
    """Number of products in the built-in catalogue."""
    builtin_seed: int = 0
    """Seed of the built-in catalogue."""

    @property
    def reader(self) -> str:
        """By which reader answers are read."""
        return reader_of(self.parsing, like_the_paper=False)

    @property
    def times_asked_again(self) -> int:
        """Number of times an unreadable answer is asked for again."""
        return reasks_of(self.reasks, self.reader, earlier=0)

    @property
    def label(self) -> str:
        """The protocol's name with the reader."""
        return label_with_reader(self.protocol, self.reader)
