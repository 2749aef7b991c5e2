"""Reading the published files: streaming, prices, options, and products that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from environments.webshop.catalogue import products
from environments.webshop.catalogue.importer import Import, find_catalogues
from environments.webshop.catalogue.nouns import Titled
from environments.webshop.catalogue.products import UnusableProduct, parse_options, parse_pricing, price_tag, read_array
from environments.webshop.catalogue.store import iterate, open_store
from harness.base.errors import BadInput


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
def test_an_array_reads_the_same_whatever_the_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(products, "CHUNK", chunk)
    rows = [{"a": '] [ } {\\"', "n": number, "deep": {"list": [1, [2, {}]]}} for number in range(9)]
    path = tmp_path / "array.json"
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    assert list(read_array(path)) == rows


@pytest.mark.parametrize("text", ["{}", "", '[{"a": 1}, {"a": ', '[{"a": 1'])
def test_a_broken_array_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "items_shuffle.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"items_shuffle\.json"):
        list(read_array(path))


@pytest.mark.parametrize(
    ("text", "pricing", "tag"),
    [
        ("$19.99", (19.99,), "$19.99"),
        ("$1,019.40", (1019.4,), "$1019.4"),
        ("$19.99 to $27.99", (19.99, 27.99), "$19.99 to $27.99"),
        ("from $3 to $5 or $9", (3.0, 5.0), "$3.0 to $5.0"),
        ("", (100.0,), "$100.0"),
        (None, (100.0,), "$100.0"),
    ],
)
def test_prices(text: str | None, pricing: tuple[float, ...], tag: str) -> None:
    assert parse_pricing(text) == pricing
    assert price_tag(parse_pricing(text)) == tag


@pytest.mark.parametrize("text", ["free", "$", "$1.2.3"])
def test_prices_that_are_none(text: str) -> None:
    with pytest.raises(UnusableProduct):
        parse_pricing(text)


def test_options_are_lower_case_with_slashes_spelt_out() -> None:
    raw = {"Color": [{"value": " Navy/Red "}, {"value": "Black", "image": "x"}], "Gone": None}
    assert parse_options(raw) == {"color": ("navy | red", "black")}
    assert parse_options("") == {}


def item(asin: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": f"Thing {asin}",
        "full_description": "A thing.",
        "pricing": "$5",
        "small_description": ["good"],
        "customization_options": "",
        "product_category": "Things",
        "category": "garden",
        "query": " Things ",
        "asin": asin,
        **changes,
    }


def write_files(folder: Path, items: list[Any], about: dict[str, Any], human: dict[str, Any] | None = None) -> None:
    (folder / "items_shuffle_x.json").write_text(json.dumps(items), encoding="utf-8")
    (folder / "items_ins_v2_x.json").write_text(json.dumps(about), encoding="utf-8")
    if human is not None:
        (folder / "items_human_ins_x.json").write_text(json.dumps(human), encoding="utf-8")


def no_nouns(batch: Sequence[Titled]) -> list[tuple[str, ...]]:
    return [("thing",) for _ in batch]


def test_bad_products_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    lacking = item("B000000005")
    del lacking["small_description"]
    items = [
        item("B000000001"),
        item("nan"),
        item("B00000000123"),
        item("B000000001", name="twice"),
        item("B000000002", pricing="free"),
        "no product",
        lacking,
        item("B000000006", name=7),
        item("B000000007", customization_options={"Color": [{"image": "x"}]}),
        item("B000000008", small_description="just one", full_description=None),
    ]
    human = {
        "B000000001": [
            {"instruction": "x"},
            {"instruction_attributes": [], "instruction": "", "instruction_options": []},
        ]
    }
    write_files(tmp_path, items, {"B000000001": "odd"}, human)
    run = Import(find_catalogues(tmp_path)[0], no_nouns)
    assert run.run(tmp_path / "store") == 2
    catalogue = open_store(tmp_path / "store")
    assert [product.asin for product in iterate(catalogue)] == ["B000000001", "B000000008"]
    assert catalogue.by_asin("B000000008").bullets == ("just one",)
    assert catalogue.by_asin("B000000001").query == "things"
    reasons = "\n".join(run.skipped)
    for part in (
        "'nan'",
        "longer than 10",
        "seen before",
        "'free'",
        "not an object",
        "'small_description'",
        "no title",
        "'B000000007'",
        "annotation 0 of 'B000000001'",
        "attributes of 'B000000001': expected an object",
    ):
        assert part in reasons
    assert len(run.skipped) == 10


def test_only_the_first_products_when_asked(tmp_path: Path) -> None:
    write_files(tmp_path, [item(f"B00000000{number}") for number in range(5)], {})
    assert Import(find_catalogues(tmp_path)[0], no_nouns, limit=3).run(tmp_path / "store") == 3


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="items_shuffle"):
        find_catalogues(tmp_path)
    (tmp_path / "items_shuffle_7.json").write_text("[]", encoding="utf-8")
    with pytest.raises(BadInput, match="items_ins_v2_7"):
        find_catalogues(tmp_path)


def test_annotations_and_tags_of_all_products_serve_a_sample(tmp_path: Path) -> None:
    write_files(tmp_path, [], {})
    for name in ("items_human_ins.json", "title_pos.jsonl.gz"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    files = find_catalogues(tmp_path)[0]
    assert files.human == tmp_path / "items_human_ins.json"
    assert files.nouns == tmp_path / "title_pos.jsonl.gz"
    assert files.name == "items_shuffle_x"
