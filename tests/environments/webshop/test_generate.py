"""The built-in catalogue: deterministic, in the published format, with known best products and near misses."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from environments.webshop.catalogue.generate import FAMILY, generate, generate_products, product_id, write_builtin
from environments.webshop.catalogue.store import Catalogue, iterate, open_store
from environments.webshop.catalogue.vocabulary import KINDS, MENUS, OPTION_PHRASES
from environments.webshop.data import DATA
from environments.webshop.goals.goals import GoalTable
from environments.webshop.goals.marking import best_options
from environments.webshop.goals.reward import MATCH_ABOVE, normalise_colour, score, token_set_ratio


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(60, seed, tmp_path / name)
    contents = {name: [path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("a", "b", "c")}
    assert len(contents["a"]) == 3
    assert contents["a"] == contents["b"] != contents["c"]


def test_a_larger_catalogue_begins_with_the_smaller_one() -> None:
    assert list(generate_products(37, 5)) == list(itertools.islice(generate_products(200, 5), 37))


def test_generated_files_import_into_the_same_store_as_the_built_in_one(tmp_path: Path) -> None:
    files, home = tmp_path / "files", tmp_path / "home"
    generate(60, 4, files)
    assert DATA.recognises(files)
    report = DATA.import_from(files, home)
    assert report.kept == 60
    assert report.skipped == ()
    assert report.where is not None
    write_builtin(tmp_path / "builtin", 60, 4)
    imported, builtin = open_store(report.where), open_store(tmp_path / "builtin")
    assert list(iterate(imported)) == list(iterate(builtin))
    tables = [GoalTable(catalogue, "human", 0) for catalogue in (imported, builtin)]
    assert [tables[0].goal(index) for index in range(len(tables[0]))] == [
        tables[1].goal(index) for index in range(len(tables[1]))
    ]


def test_ids_are_unique() -> None:
    assert len({product_id(number) for number in range(100_000)}) == 100_000
    assert all(len(product_id(number)) == 10 for number in (0, 999_999, 36**8 - 1))


def test_no_goal_is_broken(builtin: Catalogue) -> None:
    for kind in ("human", "synthetic"):
        table = GoalTable(builtin, kind, 0)  # type: ignore[arg-type]
        assert len(table) > 0
        assert all(table.flag(index) == 0 for index in range(len(table)))


def test_near_misses_score_less_than_the_wanted_product(builtin: Catalogue) -> None:
    table = GoalTable(builtin, "human", 0)
    for index in range(len(table)):
        goal, wanted = table.goal(index), table.product_number(index)
        assert wanted % FAMILY == 0
        for number in range(wanted + 1, wanted + FAMILY):
            product = builtin.product(number)
            bought = score(product, goal, float(table.prices[number]), best_options(product, goal))
            assert bought.reward < 1.0, (goal.instruction, product.title)
            assert bought.reward > 0.2


def test_instructions_name_what_is_wanted_in_varied_words(builtin: Catalogue) -> None:
    table = GoalTable(builtin, "human", 0)
    texts = [table.goal(index).instruction for index in range(len(table))]
    for index, text in enumerate(texts):
        goal = table.goal(index)
        assert all(part in text for part in (*goal.attributes, *goal.options, goal.query))
    assert len({text.split(goal.query)[0] for text in texts}) > 8


def test_no_two_values_of_a_menu_and_no_two_attributes_match_each_other() -> None:
    for name, values in MENUS.items():
        assert name in OPTION_PHRASES
        for value in values:
            assert token_set_ratio(normalise_colour(value), normalise_colour((name, value))) > MATCH_ABOVE, value
        for a, b in itertools.permutations(values, 2):
            for wanted in (b, (name, b)):
                assert token_set_ratio(normalise_colour(a), normalise_colour(wanted)) <= MATCH_ABOVE, (name, a, b)
    for kind in KINDS:
        for first, second in itertools.combinations(kind.attributes, 2):
            assert token_set_ratio(first, second) <= MATCH_ABOVE, (kind.query, first, second)
        assert set(kind.options) <= set(MENUS)


def test_products_bring_their_nouns(tmp_path: Path) -> None:
    generate(20, 0, tmp_path)
    items = json.loads(next(tmp_path.glob("items_shuffle*.json")).read_text(encoding="utf-8"))
    for item in items:
        words = item["name"].lower().replace(",", " ").split()
        assert item["title_nouns"]
        assert all(noun in words for noun in item["title_nouns"])


@pytest.mark.parametrize("count", [1, 4, 5, 6, 51])
def test_any_number_of_products(tmp_path: Path, count: int) -> None:
    assert write_builtin(tmp_path / "store", count, 0) == count
    assert open_store(tmp_path / "store").size == count
