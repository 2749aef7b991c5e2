"""Advice on the data of ALFWorld, followed."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

from tests.environments.alfworld.test_data import without_games
from tests.harness.data.advising import Place, command, follows, zipped


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


@follows("set it to a folder that has them, or unset it to play the games that `harness data` brings")
def a_variable_that_hides_imported_games(place: Place) -> str:
    """An import does not help where the variable points elsewhere; both messages say so."""
    root = place.games()
    place.monkeypatch.setenv("ALFWORLD_DATA", str(place.tmp / "elsewhere"))
    said = place.done("data", "import", root)
    assert f"ALFWORLD_DATA is set to {place.tmp / 'elsewhere'}: runs play the games there until you unset it" in said
    said = place.refused(*place.run("alfworld", "train"))
    place.monkeypatch.setenv("ALFWORLD_DATA", str(root))
    place.done(*place.run("alfworld", "train"))
    place.monkeypatch.delenv("ALFWORLD_DATA")
    place.done(*place.run("alfworld", "train"))
    return said
