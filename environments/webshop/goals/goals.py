"""Goals as the original builds them, from a seed instead of whatever its global random state held.

The original draws in this order from one random source: a price inside each price range, in product order;
then a price limit per goal product (synthetic) or per annotation (human). Then it seeds with 233 and shuffles
the goals, so their order does not depend on the seed. `GoalTable` gives the goals in that final order, which is
what the original's and the paper's index lists count; a goal's id names its product and does not depend on
any seed. A table of 7 million goals is a few arrays: goals are made when asked for.
"""

from __future__ import annotations

import bisect
import json
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from random import Random
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from environments.webshop.catalogue.products import Product
from environments.webshop.catalogue.store import BlobReader, BlobWriter, Catalogue, HumanGoal
from environments.webshop.goals.marking import BROKEN, BROKEN_SOUND, broken_flags, human_flag
from environments.webshop.goals.reward import NO_LIMIT, Goal
from environments.webshop.options import Kind
from harness.base.errors import BadInput, nearest
from harness.base.safe_files import replacing

SHUFFLE_SEED = 233
"""The seed the original shuffles its goals with."""

KINDS: tuple[Kind, ...] = get_args(Kind)
Seed = int | tuple[Any, ...]
"""A number, or a whole state of Python's random source (`random.getstate()`)."""

SAVE_DRAWS_ABOVE = 200_000
"""Catalogues larger than this keep the drawn prices of a seed on disk: drawing them takes seconds."""


class GoalWriter:
    """Collects what goals are made of while products stream by, and writes it beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = array("I")
        self._combinations = array("q")
        self._attributes: list[tuple[str, ...]] = []
        self._flags = array("B")
        self._counts: Counter[str] = Counter()

    def add(self, number: int, product: Product) -> None:
        """Note a product; only those with an instruction (and its attributes) get synthetic goals."""
        if product.instruction is None or not product.instruction_attributes:
            return
        flags = broken_flags(product)
        self._numbers.append(number)
        self._combinations.append(len(flags))
        self._attributes.append(product.instruction_attributes)
        self._flags.extend(flags)
        for attribute in product.instruction_attributes:
            self._counts[attribute] += len(flags)

    def finish(self, annotations: Sequence[HumanGoal], product: Callable[[int], Product]) -> None:
        """Write the files; `product` reads a product by number (to mark human goals that cannot score 1)."""
        weights = [
            sum(1.0 / self._counts[attribute] for attribute in attributes) / len(attributes) if size else 0.0
            for attributes, size in zip(self._attributes, self._combinations, strict=True)
        ]
        self._save("goal-products", np.array(self._numbers, dtype=np.uint32))
        self._save("goal-ends", np.cumsum([0, *self._combinations], dtype=np.int64))
        self._save("goal-weights", np.array(weights, dtype=np.float64))
        self._save_kind("synthetic", np.array(self._flags, dtype=np.uint8))
        flags = [human_flag(product(goal.number), goal) for goal in annotations]
        self._save_kind("human", np.array(flags, dtype=np.uint8))
        self._save("human-products", np.array([goal.number for goal in annotations], dtype=np.uint32))
        self._save("human-annotations", np.array([goal.annotation for goal in annotations], dtype=np.uint32))
        with BlobWriter(self.folder, "human") as blob:
            for goal in annotations:
                blob.add(json.dumps([goal.instruction, list(goal.attributes), list(goal.options)]).encode())

    def _save_kind(self, kind: Kind, flags: npt.NDArray[np.uint8]) -> None:
        order = list(range(len(flags)))
        Random(SHUFFLE_SEED).shuffle(order)
        places = np.empty(len(order), dtype=np.uint32)
        places[order] = np.arange(len(order), dtype=np.uint32)
        self._save(f"{kind}-order", np.array(order, dtype=np.uint32))
        self._save(f"{kind}-places", places)
        self._save(f"{kind}-flags", flags)

    def _save(self, name: str, values: np.ndarray) -> None:
        np.save(self.folder / f"{name}.npy", values)


def draw_prices(catalogue: Catalogue, rng: Random) -> npt.NDArray[np.float64]:
    """One price per product in dollars: the only one, or a draw inside the range (in product order)."""
    prices = np.array(catalogue.price_low)
    for number in np.flatnonzero(~np.isnan(catalogue.price_high)).tolist():
        prices[number] = rng.uniform(float(catalogue.price_low[number]), float(catalogue.price_high[number]))
    return prices


def draw_limit(price: float, rng: Random) -> float:
    """A price limit for a price: the larger of two of the first four multiples of 10 (to 990) above it."""
    first = next((step for step in range(max(1, int(price // 10)), 100) if 10.0 * step > price), 100)
    candidates = [10.0 * step for step in range(first, min(first + 4, 100))]
    return max(rng.sample(candidates, 2)) if len(candidates) >= 2 else NO_LIMIT


def price_text(limit: float) -> str:
    """Words of the instruction for the price limit."""
    return "" if limit == NO_LIMIT else f", and price lower than {limit:.2f} dollars"


class GoalTable:
    """All goals of a kind under one seed, in the original's final order."""

    def __init__(self, catalogue: Catalogue, kind: Kind, seed: Seed) -> None:
        """`seed` is what the original's global random state would have been seeded with before construction, or that state."""
        self.catalogue = catalogue
        self.kind: Kind = kind
        self.seed = seed
        load = _loader(catalogue.folder)
        self._order = load(f"{kind}-order")
        self._places = load(f"{kind}-places")
        self._flags = load(f"{kind}-flags")
        self._products = load("human-products" if kind == "human" else "goal-products")
        self._weights = load("goal-weights")
        # one number at a time is read several times faster through a memoryview than from an array
        self._ends = memoryview(load("goal-ends"))  # type: ignore[arg-type]
        self._order_of = memoryview(self._order)  # type: ignore[arg-type]
        self._annotations = load("human-annotations")
        self._human = BlobReader(catalogue.folder, "human")

    def draw(self) -> None:
        """Draw prices and limits now, and keep those of a large catalogue on disk."""
        _ = self._drawn

    @cached_property
    def prices(self) -> npt.NDArray[np.float64]:
        """The drawn price of each product. Drawn when a goal is first played or told: listing tasks needs none."""
        return self._drawn[0]

    @cached_property
    def _limits(self) -> npt.NDArray[np.float64]:
        return self._drawn[1]

    def __len__(self) -> int:
        return len(self._order)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name: another process opens the same files and draws the same prices."""
        return goal_table, (self.catalogue, self.kind, self.seed)

    def flag(self, index: int) -> int:
        """The `BROKEN` bits of a goal."""
        return int(self._flags[self._order_of[index]])

    def unbroken(self, sound: bool = False) -> npt.NDArray[np.int64]:
        """The indices of the goals that can score 1, ascending."""
        return np.flatnonzero(self._flags[self._order] & (BROKEN_SOUND if sound else BROKEN) == 0)

    def product_number(self, index: int) -> int:
        """The number of the wanted product."""
        made = self._order_of[index]
        return int(self._products[made if self.kind == "human" else self._holder(made)])

    def name(self, index: int) -> str:
        """The goal's id: `kind:asin:number`."""
        made = self._order_of[index]
        asin = self.catalogue.card(self.product_number(index))[0]
        if self.kind == "human":
            return f"human:{asin}:{self._annotations[made]}"
        return f"synthetic:{asin}:{made - self._ends[self._holder(made)]}"

    def find(self, name: str) -> int:
        """The index of a goal id. Raises `BadInput` for an id that this catalogue does not have."""
        kind, _, rest = name.partition(":")
        asin, _, part = rest.rpartition(":")
        number = self.catalogue.number(asin)
        if kind == self.kind and number is not None and part.isdigit():
            made = self._made(number, int(part))
            if made is not None:
                return int(self._places[made])
        raise BadInput(
            f"no {self.kind} goal {name!r} in the catalogue at {self.catalogue.folder}; goal ids look like "
            f"'{self.kind}:B000000000:0'.{nearest(kind, ('human', 'synthetic'))}"
        )

    def _made(self, number: int, part: int) -> int | None:
        """The place of a goal in building order."""
        holder = int(np.searchsorted(self._products, number))
        if self.kind == "human":
            last = int(np.searchsorted(self._products, number, side="right"))
            return next((made for made in range(holder, last) if self._annotations[made] == part), None)
        if holder == len(self._products) or self._products[holder] != number:
            return None
        made = self._ends[holder] + part
        return made if made < self._ends[holder + 1] else None

    def goal(self, index: int) -> Goal:
        """The goal at an index; negative ones count from the end, as in the original. Raises `IndexError`."""
        made = self._order_of[index]
        return self._human_goal(made) if self.kind == "human" else self._synthetic_goal(made)

    def _synthetic_goal(self, made: int) -> Goal:
        holder = self._holder(made)
        product = self.catalogue.product(int(self._products[holder]))
        part = made - self._ends[holder]
        names = sorted(product.options)
        options = dict(zip(names, _combination(product, names, part), strict=True))
        text = ", and ".join(f"{name}: {value}" for name, value in options.items())
        limit = float(self._limits[holder])
        return self._assemble(
            product,
            f"synthetic:{product.asin}:{part}",
            f"{product.instruction}{' with ' + text if text else ''}{price_text(limit)}",
            product.instruction_attributes,
            limit,
            options,
            float(self._weights[holder]),
            made,
        )

    def _human_goal(self, made: int) -> Goal:
        product = self.catalogue.product(int(self._products[made]))
        instruction, attributes, options = json.loads(self._human[made])
        limit = float(self._limits[made])
        return self._assemble(
            product,
            f"human:{product.asin}:{self._annotations[made]}",
            instruction.strip(".") + price_text(limit),
            tuple(attributes),
            limit,
            tuple(options),
            1.0,
            made,
        )

    def _assemble(
        self,
        product: Product,
        name: str,
        instruction: str,
        attributes: tuple[str, ...],
        limit: float,
        options: Mapping[str, str] | tuple[str, ...],
        weight: float,
        made: int,
    ) -> Goal:
        return Goal(
            id=name,
            asin=product.asin,
            category=product.category,
            query=product.query,
            name=product.title,
            product_category=product.product_category,
            instruction=instruction,
            attributes=attributes,
            price_upper=limit,
            options=options,
            weight=weight,
            nouns=product.nouns,
            broken=bool(self._flags[made] & BROKEN),
            broken_sound=bool(self._flags[made] & BROKEN_SOUND),
        )

    def _holder(self, made: int) -> int:
        """Which goal product a synthetic goal in building order belongs to."""
        return bisect.bisect_right(self._ends, made) - 1

    def weights(self) -> npt.NDArray[np.float64]:
        """The drawing weight of each goal, in final order."""
        if self.kind == "human":
            return np.ones(len(self))
        return np.repeat(self._weights, np.diff(self._ends))[self._order]

    @cached_property
    def _drawn(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(price per product, limit per goal product or annotation), from disk where they are kept."""
        path = self.catalogue.folder / f"draws-{self.kind}-{self.seed}.npz"
        keep = self.catalogue.size > SAVE_DRAWS_ABOVE and isinstance(self.seed, int)
        if keep and path.exists():
            with np.load(path) as kept:
                return kept["prices"], kept["limits"]
        rng = source_of(self.seed)
        prices = draw_prices(self.catalogue, rng)
        limits = np.array([draw_limit(price, rng) for price in prices[self._products].tolist()], dtype=np.float64)
        if keep:
            _save_whole(path, prices, limits)
        return prices, limits


def source_of(seed: Seed) -> Random:
    """The random source of a seed."""
    if isinstance(seed, int):
        return Random(seed)
    rng = Random()
    rng.setstate(seed)
    return rng


@lru_cache(maxsize=16)
def goal_table(catalogue: Catalogue, kind: Kind, seed: Seed) -> GoalTable:
    """The goals of a catalogue, made once per process."""
    return GoalTable(catalogue, kind, seed)


def draw_first_seed(catalogue: Catalogue) -> None:
    """Draw what a large catalogue keeps on disk for the default seed, so that no first start has to."""
    if catalogue.size > SAVE_DRAWS_ABOVE:
        for kind in KINDS:
            GoalTable(catalogue, kind, 0).draw()


def _combination(product: Product, names: Sequence[str], part: int) -> list[str]:
    """The part-th choice of `combinations`, without making the others."""
    chosen: list[str] = []
    for name in reversed(names):
        part, place = divmod(part, len(product.options[name]))
        chosen.append(product.options[name][place])
    return chosen[::-1]


def _loader(folder: Path) -> Callable[[str], np.ndarray]:
    return lambda name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))


def _save_whole(path: Path, prices: np.ndarray, limits: np.ndarray) -> None:
    """Keep the draws if the store may be written; playing needs no right to."""
    with suppress(OSError), replacing(path) as file:
        np.savez(file, prices=prices, limits=limits)


class WeightedDraw:
    """The original's draw of a goal by weight, its off-by-one included.

    It bisects a list of running sums that begins with 0, so goal 0 is never drawn and goal i gets the
    weight of goal i - 1 (the last one also its own).
    """

    def __init__(self, weights: npt.NDArray[np.float64]) -> None:
        self._sums = [0.0, *np.cumsum(weights).tolist()]

    def __call__(self, rng: Random) -> int:
        place = bisect.bisect(self._sums, rng.uniform(0, self._sums[-1]))
        return min(place, len(self._sums) - 2)
