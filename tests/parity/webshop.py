"""Replay recordings of the original and compare everything.

`python -m tests.parity.webshop RECORDINGS… --items DIR`: RECORDINGS are `.jsonl[.gz]` files or folders of
them; the kind of a file is told by the fields of its rows. DIR holds the published product files that were recorded
from, with `title_pos.jsonl.gz` (so no spaCy is needed). Exit 1 if anything differs; the first ten differences are shown.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments.webshop.catalogue.store import Catalogue
from environments.webshop.goals.reward import Goal, Option, normalise_colour, score, token_set_ratio
from environments.webshop.search import analysis, porter
from harness.base.errors import BadInput
from harness.bridges.web_agent_site.envs import WebAgentTextEnv
from harness.bridges.web_agent_site.server import goal_row
from tests.parity.html_text import clickables_of, has_search_bar, instruction_of, rich_text_of, texts_of
from tests.parity.webshop_original import Player, Reference, Row

KINDS: Mapping[str, tuple[str, ...]] = {
    "episode": ("episode_id", "config", "steps"),
    "query": ("query", "ranked_asins", "hits"),
    "reward": ("purchased_asin", "r_type", "reward"),
    "analyser text": ("text", "tokens"),
    "stem": ("word", "stem"),
    "string pair": ("a", "b", "score"),
}
"""Kind of a row -> the fields that tell it."""


SHOWN = 10
"""Differences printed."""

SCORE_TOLERANCE = 1e-5
"""Allowed difference of Anserini's rounded scores; Lucene's own must be equal."""


@dataclass
class Tally:
    """What was compared, and the first differences."""

    rows: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    wrong: dict[str, int] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)

    def differ(self, kind: str, where: str, what: str, ours: Any, theirs: Any) -> None:
        """Count a difference of one thing in one place."""
        self.wrong[kind] = self.wrong.get(kind, 0) + 1
        if len(self.shown) < SHOWN:
            self.shown.append(f"{where}: {what}\n  ours:     {_clip(ours, theirs)}\n  recorded: {_clip(theirs, ours)}")

    def compare(self, kind: str, where: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
        """Compare field by field; what `theirs` does not record is not compared."""
        for name, value in ours.items():
            if name in theirs and not _equal(value, theirs[name]):
                self.differ(kind, where, name, value, theirs[name])

    def count(self, kind: str) -> str:
        return f"{self.rows.get(kind, 0)} {_plural(kind, self.rows.get(kind, 0))}"

    def last_line(self) -> str:
        parts = []
        for kind in ("episode", "query", "reward"):
            steps = f", {self.steps} steps" if kind == "episode" else ""
            parts.append(f"{self.count(kind)}{steps}, {self.wrong.get(kind, 0)} mismatches")
        return "; ".join(parts)


def _plural(kind: str, number: int) -> str:
    return kind[:-1] + "ies" if kind == "query" else kind + "s"


def _equal(ours: Any, theirs: Any) -> bool:
    """Equality that tells 0 from False and 1 from True, but not 1 from 1.0."""
    if isinstance(ours, bool) != isinstance(theirs, bool):
        return False
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return list(ours) == list(theirs) and all(_equal(ours[key], theirs[key]) for key in ours)
    return bool(ours == theirs)


def _clip(value: Any, other: Any) -> str:
    """A value's text around the first place where it differs from the other's."""
    mine, yours = repr(value), repr(other)
    same = next((i for i, (a, b) in enumerate(zip(mine, yours, strict=False)) if a != b), min(len(mine), len(yours)))
    start = max(0, same - 60)
    return ("…" if start else "") + mine[start : same + 120] + ("…" if len(mine) > same + 120 else "")


@dataclass
class Replay:
    """Compares rows of every kind."""

    reference: Reference
    tally: Tally = field(default_factory=Tally)
    players: dict[str, Player] = field(default_factory=dict)

    def row(self, kind: str, row: Row) -> None:
        """Replay and compare one row."""
        self.tally.rows[kind] = self.tally.rows.get(kind, 0) + 1
        compare: dict[str, Callable[[Row], None]] = {
            "episode": self.episode,
            "query": self.query,
            "reward": self.reward,
            "analyser text": self.text,
            "stem": self.word,
            "string pair": self.pair,
        }
        compare[kind](row)

    def episode(self, row: Row) -> None:
        where, config = row["episode_id"], row["config"]
        key = json.dumps(config, sort_keys=True)
        if key not in self.players:
            self.players[key] = Player(self.reference, config)
        player = self.players[key]
        observation = player.reset(row["session_arg"], row["random_seed_at_reset"], fresh=not row.get("part"))
        start: dict[str, Any] = {
            "session_id": player.session.id,
            "goal_idx": player.goal_index,
            "goal": goal_row(player.session.goal),
        }
        self.tally.compare("episode", f"{where}, reset", start, {**row, "goal": _ordered(row["goal"], start["goal"])})
        first = row["initial"]
        self._view(f"{where}, reset", player, first, observation)
        self.tally.compare("episode", where, {"instruction_text": player.env.get_instruction_text()}, first)
        for number, step in enumerate(row["steps"]):
            self.tally.steps += 1
            self._step(f"{where}, step {number} {step['action']!r}", player, step, config)
        if "final_session" in row:
            final = player.final()
            self.tally.compare("episode", f"{where}, end", final, _reordered(row["final_session"], final))

    def _step(self, where: str, player: Player, step: Row, config: Row) -> None:
        fault: Exception | None = None
        observation = player.env.observation
        reward: float | None = None
        done: bool | None = None
        try:
            observation, reward, done, info = player.env.step(step["action"])
            assert info is None
        except Exception as error:  # whatever the original raises
            fault = error
            observation = player.env.observation
        recorded = step.get("exception")
        if not _same_fault(fault, recorded):
            self.tally.differ("episode", where, "exception", fault, recorded)
        outcome: dict[str, Any] = {"reward": reward, "done": done}
        score_ = player.session.score
        if done and score_ is not None:
            outcome["verbose_info"] = _ordered(score_.parts(), step.get("verbose_info") or {})
        bare = config.get("repo", "orig") != "minimal" or not done
        outcome["info"] = None if bare else outcome.get("verbose_info")
        self.tally.compare("episode", where, outcome, step)
        self._view(where, player, step, observation)

    def _view(self, where: str, player: Player, recorded: Row, observation: str) -> None:
        env = player.env
        possible = env.get_available_actions()
        ours = {
            "observation": observation,
            "observation_text_rich": _in_mode(env, "text_rich"),
            "available_actions": possible,
            "url": _in_mode(env, "url"),
            "state": player.session.state(),
        }
        self.tally.compare("episode", where, ours, recorded)
        self._html(where, player, recorded, observation)

    def _html(self, where: str, player: Player, recorded: Row, observation: str) -> None:
        """Hold what the original's parser finds on the HTML page against the recording."""
        env = player.env
        html = _in_mode(env, "html")
        plain = not (env.num_prev_obs or env.num_prev_actions)
        ours = {
            "observation": texts_of(html) if plain else observation,
            "observation_text_rich": rich_text_of(html, env.browser.current_url, env.page.opened),
            "available_actions": {"has_search_bar": has_search_bar(html), "clickables": clickables_of(html)},
        }
        if "instruction_text" in recorded:
            ours["instruction_text"] = instruction_of(html)
        self.tally.rows["HTML page"] = self.tally.rows.get("HTML page", 0) + 1
        self.tally.compare("HTML page", where, ours, recorded)

    def query(self, row: Row) -> None:
        catalogue = self.reference.catalogue()
        hits = catalogue.hits(row["query"])
        ours = {
            "analyzed": analysis.analyse(row["query"]),
            "ranked_asins": [catalogue.asin_at(int(document)) for document in hits.documents],
            "total_matches": catalogue.index.count(row["query"]),
            "n_hits": len(hits.documents),
        }
        where = row.get("query_id") or repr(row["query"])
        self.tally.compare("query", where, ours, row)
        for hit, lucene, shown in zip(row["hits"], hits.scores.tolist(), hits.rounded(), strict=False):
            place = f"{where}, rank {hit['rank']}"
            self.tally.compare("query", place, {"lucene_score": lucene}, hit)
            if abs(shown - hit["score"]) > SCORE_TOLERANCE:
                self.tally.differ("query", place, "score", shown, hit["score"])

    def reward(self, row: Row) -> None:
        human = bool(row.get("human"))
        table = self.reference.goals(None, human, 0)
        product = table.catalogue.by_asin(row["purchased_asin"])
        goal = _goal_from(row["goal"], table.catalogue)
        result = score(product, goal, row["price"], row["options"])
        ours = {
            "reward": result.reward,
            "info": _ordered(result.parts(), row.get("info") or {}),
            "r_type": result.r_type,
            "r_att": result.r_att,
            "r_option": result.r_option,
            "r_price": result.r_price,
            "num_attr_matches": result.attribute_matches,
            "num_option_matches": result.option_matches,
            "query_match": result.query_match,
            "category_match": result.category_match,
            "title_score": result.title_score,
            "purchased_nouns": list(product.nouns),
            "goal_nouns": list(goal.nouns),
        }
        self.tally.compare("reward", row.get("vector_id", row["purchased_asin"]), ours, row)

    def text(self, row: Row) -> None:
        where = repr(row["text"][:60])
        self.tally.compare("analyser text", where, {"tokens": analysis.analyse(row["text"])}, row)

    def word(self, row: Row) -> None:
        self.tally.compare("stem", row["word"], {"stem": porter.stem(row["word"])}, row)

    def pair(self, row: Row) -> None:
        a, b = _option(row["a"]), _option(row["b"])
        ours: dict[str, Any] = {}
        if "norm_a" in row:
            a, b = normalise_colour(a), normalise_colour(b)
            ours = {"norm_a": str(a), "norm_b": str(b)}
        ours["score"] = token_set_ratio(a, b)
        self.tally.compare("string pair", f"{row['a']!r} / {row['b']!r}", ours, row)


def _same_fault(ours: Exception | None, theirs: Row | None) -> bool:
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if theirs.get("type") == "JavaException" or "TooManyClauses" in str(theirs.get("message")):
        return "TooManyClauses" in str(ours)  # raised in Java: the bridge between the languages wraps the name
    # Python 3.11 and later say more in some messages
    return type(ours).__name__ == theirs.get("type") and str(ours).startswith(str(theirs.get("message")))


def _in_mode(env: WebAgentTextEnv, mode: str) -> str:
    """The page in another observation mode."""
    before, env.observation_mode = env.observation_mode, mode
    try:
        return env.observation
    finally:
        env.observation_mode = before


def _ordered(values: Mapping[str, Any], order: Mapping[str, Any]) -> dict[str, Any]:
    """The same entries, those that `order` has first and in its order (where order means nothing)."""
    return {name: values[name] for name in [*order, *values] if name in values}


def _reordered(recorded: Row, ours: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded session with its counters in our order."""
    if "actions" not in recorded:
        return dict(recorded)
    return {**recorded, "actions": _ordered(recorded["actions"], ours["actions"])}


def _option(value: Any) -> Option:
    return (value[0], value[1]) if isinstance(value, list) else value


def _goal_from(row: Row, catalogue: Catalogue) -> Goal:
    """A recorded goal; its nouns come with the wanted product."""
    options = row["goal_options"]
    return Goal(
        id="",
        asin=row["asin"],
        category=row["category"],
        query=row["query"],
        name=row["name"],
        product_category=row["product_category"],
        instruction=row["instruction_text"],
        attributes=tuple(row["attributes"]),
        price_upper=row["price_upper"],
        options=options if isinstance(options, Mapping) else tuple(options),
        weight=row["weight"],
        nouns=catalogue.by_asin(row["asin"]).nouns,
    )


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(kind, row) of a recording. Raises `BadInput` for rows of no known kind."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            row = json.loads(line)
            kind = next((kind for kind, fields in KINDS.items() if all(name in row for name in fields)), None)
            if kind is None:
                raise BadInput(f"{path}, line {number}: not a recording this replay knows; fields: {', '.join(row)}")
            yield kind, row


def recording_files(paths: Sequence[Path]) -> list[Path]:
    """The recordings among files and folders. Raises `BadInput` for a path that is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(child for child in path.iterdir() if child.name.endswith((".jsonl", ".jsonl.gz")))
        elif path.exists():
            found.append(path)
        else:
            raise BadInput(f"{path}: no such recording; give .jsonl or .jsonl.gz files, or folders of them.")
    return found


def replay(recordings: Sequence[Path], reference: Reference) -> Tally:
    """Replay recordings against a reference's products."""
    run, before = Replay(reference), random.getstate()
    for path in recording_files(recordings):
        for kind, row in read_rows(path):
            run.row(kind, row)
    random.setstate(before)
    return run.tally


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity.webshop", description=__doc__)
    parser.add_argument("recordings", nargs="+", type=Path, help=".jsonl[.gz] files, or folders of them")
    parser.add_argument("--items", required=True, type=Path, help="folder with the product files")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="webshop-replay-") as scratch:
            tally = replay(options.recordings, Reference(options.items, Path(scratch)))
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    for difference in tally.shown:
        print(difference)
    for kind in ("HTML page", "analyser text", "stem", "string pair"):
        if kind in tally.rows:
            print(f"{tally.count(kind)}, {tally.wrong.get(kind, 0)} mismatches")
    print(tally.last_line())
    return 1 if any(tally.wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
