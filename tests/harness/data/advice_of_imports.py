"""Advice of what all imports and fetches share, followed."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.base.errors import BadInput
from harness.exchange import archives
from harness.training.data.sharegpt import read_sharegpt
from tests.harness.data.advising import ADA, BO, EPISODE, FENCE, Place, command, follows, made, zipped
from tests.shared_data import shared_data


@follows("{} does not exist; give a folder, an archive or a file with data")
def nothing_there(place: Place) -> str:
    said = place.refused("data", "import", place.given / "people.jsonl", "--name", "mine")
    place.done(*place.import_own())
    return said


@follows("name one of them with --env to be told what its data lack", "Data of your own need no pairings")
def nothing_recognised(place: Place) -> str:
    rows = [{"pk": "ada", "first_name": "Ada", "last_name": "M", "secret": ""}]
    (place.given / "agents.jsonl").write_text(json.dumps(rows[0]) + "\n")
    (place.given / "notes.txt").write_text("hello")
    shutil.move(place.given, place.tmp / "people")
    (place.tmp / "people/agents.jsonl").rename(place.tmp / "people/agents.json")
    (place.tmp / "people/agents.json").write_text("[]")
    said = place.refused("data", "import", place.tmp / "people")
    assert "--env" in said
    lacking = place.refused("data", "import", place.tmp / "people", "--env", "sotopia")
    assert "has no SOTOPIA agents, environments, combos" in lacking
    for name in ("agents.jsonl", "environments.jsonl", "combos.jsonl"):
        shutil.copy(shared_data("sotopia", name), place.tmp / "people" / name)
    place.done("data", "import", place.tmp / "people", "--env", "sotopia")
    (place.tmp / "people/combos.jsonl").unlink()
    place.done(*command(place.refused("data", "import", place.tmp / "people")))
    return said


@follows("no data of {} recognised in this file{}; give the folder that holds the published files")
def an_unknown_file(place: Place) -> str:
    root = place.games()
    (root / "list.txt").write_text("train")
    said = place.refused("data", "import", root / "list.txt")
    (place.tmp / "games.zip").write_bytes(zipped(root))
    place.done("data", "import", place.tmp / "games.zip")
    place.done("data", "import", root)
    return said


@follows("data of your own; give it a name: harness data import {} --name mine", "name this data of your own")
def own_data_without_a_name(place: Place) -> str:
    file = place.own()
    said = place.refused("data", "import", file)
    place.done(*command(said))
    place.done(*command(place.refused("data", "import", file.parent)))
    (place.tmp / "people.zip").write_bytes(zipped(file.parent))
    place.done(*command(place.refused("data", "import", place.tmp / "people.zip")))
    message = {"environment": "e", "agents": ["a", "b"], "messages": [], "scenario": "At sea.", "social_goals": {}}
    episode = message | {"social_goals": {"Ada M": "Sail", "Bo L": "Row"}, "environment_id": "sea"}
    place.own(episode, name="people.jsonl")
    place.done(*command(place.refused("data", "import", file, "--env", "sotopia")))
    return said


@follows("holds data of several environments ({}); name one with --env")
def several_environments(place: Place) -> str:
    shutil.copytree(place.games(), place.given, dirs_exist_ok=True)
    for path in place.shop().iterdir():
        shutil.copy(path, place.given)
    said = place.refused("data", "import", place.given)
    for name in ("alfworld", "webshop"):
        assert name in said
        place.done("data", "import", place.given, "--env", name)
    return said


@follows("takes no named data; import it without --name")
def a_name_for_games(place: Place) -> str:
    root = place.games()
    said = place.refused("data", "import", root, "--env", "alfworld", "--name", "mine")
    place.done("data", "import", root)
    return said


@follows("is an HTML page, not the file its name says", "is a Git LFS pointer, not the file")
def a_page_or_a_pointer(place: Place) -> str:
    said = ""
    for content in (
        "<!DOCTYPE html>\n<html>Sign in</html>",
        "version https://git-lfs.github.com/spec/v1\noid sha256:1",
    ):
        file = place.own()
        file.write_text(content)
        said = place.refused("data", "import", file, "--name", "mine")
        assert "download" in said
        place.done(*place.import_own())
    return said


@follows("is neither UTF-8 nor UTF-16")
def latin_1(place: Place) -> str:
    file = place.own()
    file.write_bytes(file.read_text().replace("Ada", "Zo\u00eb").encode("latin-1"))
    said = place.refused("data", "import", file, "--name", "mine")
    convert = re.search(r"`(iconv [^`]+)`", said)
    assert convert
    subprocess.run(["sh", "-c", convert[1]], check=True)
    place.done("data", "import", file, "--name", "mine")
    return said


@follows("These files lie inside {}: unpack it, and import the folder.")
def latin_1_in_an_archive(place: Place) -> str:
    file = place.own()
    file.write_bytes(file.read_text().replace("Ada", "Zo\u00eb").encode("latin-1"))
    (place.tmp / "people.zip").write_bytes(zipped(file.parent))
    said = place.refused("data", "import", place.tmp / "people.zip", "--name", "mine")
    assert f"{place.tmp / 'people.zip'}/people.jsonl is neither UTF-8" in said and "home" not in said
    shutil.unpack_archive(place.tmp / "people.zip", place.tmp / "unpacked")
    convert = re.search(r"`(iconv [^`]+)`", place.refused("data", "import", place.tmp / "unpacked", "--name", "mine"))
    assert convert
    subprocess.run(["sh", "-c", convert[1]], check=True)
    place.done("data", "import", place.tmp / "unpacked", "--name", "mine")
    return said


@follows(
    "is called an archive and is not a whole one; download it again", "is not a sound archive: {}. Download it again."
)
def a_broken_archive(place: Place) -> str:
    whole, file = zipped(place.own().parent), place.tmp / "people.zip"
    middle = len(whole) // 3
    for broken in (whole[:-40], whole[:middle] + b"\0" * 8 + whole[middle + 8 :]):
        file.write_bytes(broken)
        said = place.refused("data", "import", file, "--name", "mine")
        assert "ownload it again" in said
        file.write_bytes(whole)
        place.done("data", "import", file, "--name", "mine")
    return said


@follows("is a single compressed file; unpack it with `{} {}`, and import that")
def a_compressed_file(place: Place) -> str:
    file = place.own()
    subprocess.run(["gzip", file], check=True)
    said = place.refused("data", "import", f"{file}.gz", "--name", "mine")
    unpack = re.search(r"`(gunzip [^`]+)`", said)
    assert unpack
    subprocess.run(["sh", "-c", unpack[1]], check=True)
    place.done("data", "import", file, "--name", "mine")
    return said


@follows("{} lies behind a symbolic link; remove it first")
def a_link_where_files_go(place: Place) -> str:
    (place.tmp / "people.zip").write_bytes(zipped(place.own().parent))
    target = made(place.tmp / "target")
    (target / "people.jsonl").symlink_to(place.tmp / "elsewhere")
    with pytest.raises(BadInput) as refused:
        archives.extract_archive(place.tmp / "people.zip", target)
    link = re.match(r"(.*) lies behind a symbolic link; remove it first", str(refused.value))
    assert link
    Path(link[1]).unlink()
    archives.extract_archive(place.tmp / "people.zip", target)
    return str(refused.value)


@follows("names no source that data can be fetched from; import a copy with")
def nothing_to_fetch(place: Place) -> str:
    place.serve("webshop", "items_shuffle.json", None)
    hooks = __import__("harness.exchange.fetch").exchange.fetch.load_hooks("webshop")
    none = type(hooks)(sources=(), recognises=hooks.recognises, import_from=hooks.import_from)
    place.monkeypatch.setattr("harness.exchange.fetch.load_hooks", lambda env: none)
    said = place.refused("data", "fetch", "webshop")
    place.done(*command(said, PATH=place.shop()))
    return said


@follows(
    "What has arrived is kept; run the command again to go on, or",
    "Nothing of it was kept; run the command again later",
    "could not be downloaded from {} ({} tries)",
    "is not the published file: sha256 {}",
)
def a_fetch_that_is_tried_again(place: Place) -> str:
    whole = zipped(place.games())
    said = ""
    for name, fault in (("cut", "cut_after"), ("page", "instead"), ("other", "files")):
        place.serve("alfworld", f"{name}.zip", whole, __import__("hashlib").sha256(whole).hexdigest())
        path = f"/{name}.zip"
        place.server.etags[path] = '"1"'
        if fault == "files":
            place.server.files[path] = b"other"
        else:
            getattr(place.server, fault)[path] = (
                [100, 100] if fault == "cut_after" else [b"<html>Quota", b"<html>Quota"]
            )
        said = place.refused("data", "fetch", "alfworld")
        assert re.search(r"run the command again|try again", said) and "`harness data import PATH`" in said
        place.server.files[path] = whole
        place.done("data", "fetch", "alfworld")
    return said


@follows(
    "which is not declared as its home; not followed. Download the file yourself",
    "The address may have moved; get the file",
)
def a_fetch_that_leads_elsewhere(place: Place) -> str:
    root, said = place.games(), ""
    for name, to in (("far.zip", "https://elsewhere.invalid/far.zip"), ("gone.zip", None)):
        place.serve("alfworld", name, None)
        if to is not None:
            place.server.redirects[f"/{name}"] = to
        said = place.refused("data", "fetch", "alfworld")
        place.done(*command(said, PATH=root))
    return said


@follows("has no generator; these have one: {}")
def no_generator(place: Place) -> str:
    said = place.refused("data", "generate", "sotopia", "--n", 3, "--out", place.tmp / "out")
    listed = re.search(r"these have one: (\w+), (\w+)$", said, re.M)
    assert listed
    for name in listed.groups():
        place.done("data", "generate", name, "--n", 3, "--out", place.tmp / name)
    return said


@follows("is there already and differs. Name another folder.")
def generated_over_something(place: Place) -> str:
    generate = ("data", "generate", "webshop", "--n", 3, "--out")
    place.done(*generate, place.given)
    next(place.given.glob("*.json")).write_text("[]")
    said = place.refused(*generate, place.given)
    place.done(*generate, place.tmp / "another")
    return said


@follows("{} is a run that was played here; give the imported dialogues another --name")
def dialogues_over_a_run(place: Place) -> str:
    words = [*place.run("webshop", "builtin-test"), "--name", "imported"]
    place.done(*(word for word in words if word != "--dry-run"))
    file = place.own(EPISODE, name="e.jsonl")
    bring = ("import-episodes", file, "--results", place.tmp / "results")
    said = place.refused(*bring)
    place.done(*bring, "--name", "others")
    return said


@follows("no dialogue can be read{}{}; expected sotopia's EpisodeLog")
def no_dialogues(place: Place) -> str:
    bring = ("import-episodes", place.own(ADA, BO, FENCE), "--results", place.tmp / "results")
    said = place.refused(*bring)
    place.own(EPISODE)
    place.done(*bring)
    return said


@follows(
    "{} does not exist; give a folder or a file with dialogues",
    "unpack it, or save it as CSV, and give that",
    "unpack it, and give what is in it",
    "write its rows as JSON Lines, and give that",
)
def files_that_are_no_text(place: Place) -> str:
    bring = ("import-episodes", place.given / "e.jsonl", "--results", place.tmp / "results")
    said = place.refused(*bring)
    line = json.dumps(EPISODE) + "\n"
    packed = {"zip archive": b"PK\x03\x04", "gzip": gzip.compress(line.encode()), "Parquet": b"PAR1\x15\x04"}
    packed |= {"bzip2": bz2.compress(line.encode()), "(xz)": lzma.compress(line.encode())}
    for kind, content in packed.items():
        (place.given / "e.jsonl").write_bytes(content)
        said = place.refused(*bring)
        assert kind in said and ("unpack it" in said or "write its rows as JSON Lines" in said)
        place.own(EPISODE, name="e.jsonl")
        place.done(*bring)
    return said


@follows(
    "Give the one that EPO's preprocessing.py writes.", "mend the file, or make it again with EPO's preprocessing.py"
)
def a_training_file_of_another_step(place: Place) -> str:
    """The file is read as `harness train prepare` reads it, which needs a tokenizer besides."""
    file, said = place.given / "rl.json", ""
    talk = [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y", "score": "0.5"}]
    for odd in ({"conversations": talk, "location": [1]}, {"conversations": [talk[0], talk[1] | {"score": "nan"}]}):
        file.write_text(json.dumps([odd]))
        with pytest.raises(BadInput) as refused:
            read_sharegpt(file)
        said = str(refused.value)
        assert "EPO's preprocessing.py" in said
        file.write_text(json.dumps([{"conversations": talk}]))
        assert [item.scores for item in read_sharegpt(file)] == [[0.5]]
    return said
