"""Records of a user's SOTOPIA data, wherever they lie: JSON, JSON Lines and CSV files, in one folder or many, one record a file
(sotopia's local store, `AgentProfile/<pk>.json`), or the JSON of a Redis dump, an object of key and record.

A record's kind is told by its fields, so that files may have any names and hold several kinds."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.base.text_files import HALF, is_storable, json_values, open_text, read_text

Row = dict[str, Any]
AGENT, SCENARIO, RELATIONSHIP, COMBO, EPISODE = "character", "scenario", "relationship", "pairing", "dialogue"
CLASSES = {
    "AgentProfile": AGENT,
    "EnvironmentProfile": SCENARIO,
    "RelationshipProfile": RELATIONSHIP,
    "EnvAgentComboStorage": COMBO,
    "EpisodeLog": EPISODE,
}
"""Classes of sotopia's database, which name the folders of its local store and stand in the keys of Redis."""
ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
MAX_BYTES = 2 * 2**30
"""A larger file is no data of this kind."""
NOT_READ = (".yaml", ".yml", ".toml", ".xlsx", ".xls", ".ods", ".parquet", ".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz")
"""Endings of files that may well hold data, and are not read."""
OTHERS = ("traj_data.json",)
"""Files that lie by thousands in the data of other environments."""
WHOLE_BYTES = 64 * 2**20
"""Larger JSON and CSV files are not read to find out what they hold."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and the file and line that it comes from."""

    where: str
    kind: str
    row: Row
    dumped: bool = False
    """True for a record of a database: an odd one is left out, where one that somebody wrote by hand is refused."""


def kind_of(row: Row) -> str | None:
    """The kind of a record by its fields, or None."""
    has = row.keys().__contains__
    if has("raw_messages") or has("social_interactions") or (has("messages") and has("environment")):
        return EPISODE
    if has("episode_id") and has("agent") and has("goal"):
        return EPISODE  # an annotation
    if has("scenario") and any(has(key) for key in ("agent_goals", "goals", "goal_1", "goal1")):
        return SCENARIO
    if any(has(key) for key in ("env_id", "scenario_id", "environment_id")):
        return COMBO
    if any(has(key) for key in ("agent_1_id", "agent1_id", "agent_1")) and has("relationship"):
        return RELATIONSHIP
    named = has("first_name") or has("name")
    told = any(has(key) for key in ("age", "occupation", "secret", "public_info"))
    return AGENT if named and (told or row.keys() <= ABOUT_PEOPLE) else None


ABOUT_PEOPLE = frozenset(
    {
        *("pk", "id", "agent_id", "name", "first_name", "last_name", "gender", "gender_pronoun", "pronouns"),
        *("personality", "personality_and_values", "public", "big_five", "moral_values", "schwartz_personal_values"),
        *("decision_making_style", "mbti", "tag"),
    }
)
"""Fields of a character beside those that tell one; a record of these alone is one, too."""


def find_rows(place: Path, unread: list[str]) -> Iterator[Found]:
    """Every record of a known kind below a folder, or in a file. Names what was not read in `unread`. Raises `BadInput` for a
    file that was named itself and cannot be read."""
    for path in _files(place, unread):
        odd, of_kind, dumped = list[str](), False, False
        for where, row, named in _read(path, place, unread):
            kind = named or (kind_of(row) if isinstance(row, dict) else None)
            of_kind, dumped = of_kind or kind is not None, dumped or named is not None
            if kind is not None:
                yield Found(where, kind, row, dumped=named is not None)
            elif isinstance(row, dict):
                odd.append(f"{where}: no character, scenario, relationship or pairing; it has {_fields(row)}")
        if of_kind and not dumped:
            unread += odd


def _fields(row: Row) -> str:
    shown = ", ".join(map(str, list(row)[:8])) or "nothing"
    return f"{shown}, …" if len(row) > 8 else shown


def every_row(place: Path, unread: list[str]) -> Iterator[tuple[str, Any, str | None]]:
    """(place, value, kind by the class of a database's record or None) of every value below a folder, or in a file, whatever it
    is. Raises `BadInput` as `find_rows` does."""
    for path in _files(place, unread):
        yield from _read(path, place, unread)


def _files(place: Path, unread: list[str]) -> Iterator[Path]:
    """The files below a folder that are read, or the file."""
    if place.is_file():
        yield place
        return
    for path in sorted(place.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(place).parts) or not path.is_file():
            continue
        ending = path.suffix.lower()
        if ending in ENDINGS:
            yield path
        elif ending == ".rdb":
            unread.append(f"{path.relative_to(place)}: {RDB}")
        elif ending in NOT_READ:
            unread.append(
                f"{path.relative_to(place)}: JSON, JSON Lines and CSV files are read; write or unpack it as one of them"
            )


def _read(path: Path, place: Path, unread: list[str]) -> Iterator[tuple[str, Any, str | None]]:
    """The values of a file. One that was named itself and cannot be read raises `BadInput`, one of a folder is named in
    `unread`."""
    try:
        for where, value, named in _file_rows(path, unread):
            if is_storable(value):
                yield where, value, named
            else:
                unread.append(f"{where}: {HALF}")
    except BadInput as error:
        if path == place:
            raise
        unread.append(str(error))


def first_kind(path: Path) -> str | None:
    """The kind of the first record in a file, told without reading all of it where that can be done; None for anything else."""
    if path.name in OTHERS:
        return None
    try:
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            with open_text(path) as file:
                value = json.loads(file.readline())
            return kind_of(value) if isinstance(value, dict) else None
        if path.suffix.lower() not in ENDINGS or path.stat().st_size > WHOLE_BYTES:
            return None
        return next((found.kind for found in find_rows(path, [])), None)
    except (BadInput, ValueError, RecursionError):
        return None


RDB = (
    "a Redis dump in binary form is not read; load it into Redis and write its records as JSON, an object of key and record "
    "(`redis-cli --raw JSON.GET KEY` gives one record)"
)


def _file_rows(path: Path, unread: list[str]) -> Iterator[tuple[str, Any, str | None]]:
    if path.suffix.lower() == ".rdb":
        raise BadInput(f"{path}: {RDB}")
    if path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} is larger than {MAX_BYTES:,} bytes; it is no file of SOTOPIA data")
    if path.suffix.lower() in (".csv", ".tsv"):
        yield from _csv_rows(path)
        return
    for where, value in json_values(path):
        if isinstance(value, ValueError):
            unread.append(f"{where}: {value}")
        elif isinstance(value, dict):
            yield from _inside(where, value, path)
        else:
            yield where, value, None


def _inside(where: str, value: Row, path: Path) -> Iterator[tuple[str, Row, str | None]]:
    """The record that a JSON value is, or those it holds: by key (Redis, objects keyed by id), or in lists by kind."""
    named = CLASSES.get(path.parent.name)
    if named is not None or kind_of(value) is not None:
        yield where, {"pk": path.stem} | value if named and not value.get("pk") else value, named
        return
    inside = list(_records_in(where, value))
    yield from inside or [(where, value, None)]


def _records_in(where: str, value: Row) -> Iterator[tuple[str, Row, str | None]]:
    for key, part in value.items():
        of_class = CLASSES.get(key.rsplit(":", 1)[0].rsplit(".", 1)[-1]) if ":" in key else None
        if of_class is not None and isinstance(part, str):
            part = parsed(part)
        if isinstance(part, list) and len(part) == 1 and of_class is not None:
            part = part[0]
        if isinstance(part, dict):
            pk = key.rsplit(":", 1)[-1]
            yield f"{where}, {key}", part if part.get("pk") else {"pk": pk} | part, of_class
        elif isinstance(part, list):
            numbered = enumerate(part, start=1)
            yield from ((f"{where}, {key} {number}", row, None) for number, row in numbered if isinstance(row, dict))


def _csv_rows(path: Path) -> Iterator[tuple[str, Row, str | None]]:
    """The rows of a table with a header; cells with a list, as sotopia writes them, become lists."""
    csv.field_size_limit(2**27)
    text = read_text(path)
    delimiter = "\t" if path.suffix.lower() == ".tsv" or "\t" in text.partition("\n")[0] else ","
    if delimiter == "," and text.partition("\n")[0].count(";") > text.partition("\n")[0].count(","):
        delimiter = ";"
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from _table_rows(path, table)
    except csv.Error as error:
        raise BadInput(f"{path}, behind row {table.line_num}: {error}; mend the quotes there") from error


def _table_rows(path: Path, table: csv.DictReader[str]) -> Iterator[tuple[str, Row, str | None]]:
    """The rows of a table of a known kind. Raises `BadInput`, or `csv.Error`."""
    if kind_of(dict.fromkeys(map(_header, table.fieldnames or ()))) is None:
        return
    names = [_header(name) for name in table.fieldnames or () if name]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"{path}: the header names {twice!r} twice; rename one of the two")
    for number, row in enumerate(table, start=2):
        if None in row:
            raise BadInput(
                f"{path}, row {number}: more cells than the header has; put texts with commas between quotes"
            )
        yield f"{path}, row {number}", {_header(k): _cell(v) for k, v in row.items() if v not in (None, "")}, None


def _header(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _cell(value: str) -> Any:
    text = value.strip()
    return parsed(text) if text[:1] in ("[", "{", "(") else text


def parsed(text: str) -> Any:
    """A list or an object as JSON or as Python writes it; any other text as it is."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return text
