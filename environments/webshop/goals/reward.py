"""The score of a purchase: type, attributes, options and price (reference: WebShop `goal.py` at 64fa2a5).

total = r_type * (attribute matches + option matches + [price <= limit]) / (attributes + options + 1).
String matching is thefuzz's `token_set_ratio` (0.22), which is rapidfuzz's after a clean-up of the texts;
nouns come with the products, so nothing here needs a language model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from environments.webshop.catalogue.products import Product

MATCH_ABOVE = 85
"""A token-set ratio (0..100) above this is a match."""

NO_LIMIT = 1_000_000.0
"""The price limit of a goal whose product is too dear for one (it then has no price text)."""

Option = str | tuple[str, str]
"""A goal option: a value (human goals), or a (name, value) pair (synthetic goals under `original`)."""

COLOURS: tuple[str, ...] = tuple(
    json.loads(files("environments.webshop").joinpath("colors.json").read_text(encoding="utf-8"))
)
"""The original's colour names in its order: the first one found in a text stands for it."""

_LATIN_1_UPPER_HALF = dict.fromkeys(range(128, 256))


@cache
def _whole_colour(colour: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(colour)}\b")


@dataclass(frozen=True, slots=True)
class Goal:
    """A product the shopper wants, with its attributes, options and price limit."""

    id: str
    """`kind:asin:number`, the same whatever the seed."""
    asin: str
    category: str
    query: str
    name: str
    product_category: str
    instruction: str
    """The text the agent sees, price limit included."""
    attributes: tuple[str, ...]
    price_upper: float
    options: Mapping[str, str] | tuple[str, ...]
    """name -> value (synthetic) or values (human)."""
    weight: float
    nouns: tuple[str, ...]
    broken: bool = False
    """True where even the wanted product with the wanted options does not score 1 under `original`."""
    broken_sound: bool = False
    """The same under `sound`."""


@dataclass(frozen=True, slots=True)
class Score:
    """A reward in 0..1 and its parts, named as the original names them."""

    reward: float
    r_type: float
    query_match: bool
    category_match: bool
    title_score: float
    r_att: float
    attribute_matches: int
    r_option: float | None
    option_matches: int
    r_price: bool | None
    n_attributes: int
    n_options: int

    def parts(self) -> dict[str, float | bool]:
        """The `verbose_info` of the original."""
        parts: dict[str, float | bool] = {
            "r_type": self.r_type,
            "r_att": self.r_att,
            "w_att": self.n_attributes / self.denominator,
            "query_match": self.query_match,
            "category_match": self.category_match,
            "title_score": self.title_score,
        }
        if self.r_option is not None:
            parts |= {"r_option": self.r_option, "w_option": self.n_options / self.denominator}
        if self.r_price is not None:
            parts |= {"r_price": self.r_price, "w_price": 1 / self.denominator}
        return parts

    @property
    def denominator(self) -> int:
        return self.n_attributes + self.n_options + 1


def token_set_ratio(a: Option, b: Option) -> int:
    """thefuzz's ratio, 0..100, of two texts; a pair is read as the text Python prints for it."""
    from rapidfuzz import fuzz  # takes a while to import, and only playing needs it

    return round(fuzz.token_set_ratio(_clean(a), _clean(b)))


@lru_cache(maxsize=1 << 15)
def _clean(text: Option) -> str:
    """thefuzz's preparation: drop U+0080..U+00FF, then lower case with everything but letters and digits blank."""
    from rapidfuzz.utils import default_process

    return default_process(str(text).translate(_LATIN_1_UPPER_HALF))


@lru_cache(maxsize=1 << 15)
def normalise_colour(option: Option, whole_words: bool = False) -> Option:
    """The first colour name found in an option, else the option itself.

    The original tests `name in option`: a substring for a text ("red" in "tapered"), but an equal element
    for a pair. `whole_words` is the sound reading.
    """
    for colour in COLOURS:
        if whole_words and isinstance(option, str):
            if _whole_colour(colour).search(option):
                return colour
        elif colour in option:
            return colour
    return option


def goal_options(goal: Goal, sound: bool = False) -> list[Option]:
    """The options as the reward compares them: pairs for synthetic goals under `original`, else values."""
    if isinstance(goal.options, Mapping):
        return list(goal.options.values()) if sound else list(goal.options.items())
    return list(goal.options)


def option_matches(wanted: Iterable[Option], bought: Sequence[str], sound: bool = False) -> int:
    """Number of wanted options that some bought value matches."""
    values = [normalise_colour(value, sound) for value in bought]
    return sum(
        any(token_set_ratio(value, target) > MATCH_ABOVE for value in values)
        for target in (normalise_colour(option, sound) for option in wanted)
    )


def attribute_matches(product: Product, wanted: Iterable[str]) -> int:
    """Number of wanted attributes the product has: fuzzily in its list, or word for word in its texts."""
    texts: tuple[str, ...] | None = None
    count = 0
    for attribute in wanted:
        if any(token_set_ratio(own, attribute) > MATCH_ABOVE for own in product.attributes):
            count += 1
            continue
        if texts is None:
            texts = (product.title.lower(), " ".join(product.bullets).lower(), product.description.lower())
        count += any(attribute in text for text in texts)
    return count


def type_parts(product: Product, goal: Goal) -> tuple[float, bool, bool, float]:
    """(r_type, query match, category match, title score) of a purchase."""
    query_match = product.query == goal.query
    own, wanted = (
        {part.strip() for part in path.split("\u203a")} for path in (product.product_category, goal.product_category)
    )
    category_match = len(own & wanted) >= 2
    title_score = len(set(product.nouns) & set(goal.nouns)) / len(goal.nouns) if goal.nouns else 0.2
    if title_score == 0.0:
        return 0.0, query_match, category_match, title_score
    if title_score < 0.1:
        return 0.1, query_match, category_match, title_score
    alike = query_match or category_match or title_score > 0.2
    return (1.0 if alike else 0.5), query_match, category_match, title_score


def score(product: Product, goal: Goal, price: float, bought: Mapping[str, str], sound: bool = False) -> Score:
    """The reward of buying `product` at `price` dollars with the options `bought`."""
    r_type, query_match, category_match, title_score = type_parts(product, goal)
    wanted = goal_options(goal, sound)
    n_attributes, n_options = len(goal.attributes), len(wanted)
    attributes = attribute_matches(product, goal.attributes)
    options = option_matches(wanted, list(bought.values()), sound)
    r_price = price <= goal.price_upper if goal.price_upper > 0 else None
    total = (attributes + options + bool(r_price)) / (n_attributes + n_options + 1)
    return Score(
        reward=total * r_type,
        r_type=r_type,
        query_match=query_match,
        category_match=category_match,
        title_score=title_score,
        r_att=attributes / n_attributes if n_attributes else 1.0,
        attribute_matches=attributes,
        r_option=options / n_options if n_options else None,
        option_matches=options,
        r_price=r_price,
        n_attributes=n_attributes,
        n_options=n_options,
    )
