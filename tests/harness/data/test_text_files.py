"""Text files of others: which encodings are read, what is refused by name, and what ends a line."""

from __future__ import annotations

import codecs
import json
import subprocess
from pathlib import Path

import pytest

from harness.base.errors import BadInput
from harness.base.text_files import check_is_data, is_html, json_values, lines_of, read_text

TEXT = '{"a": "Zoë"}\n{"a": "2"}\n'


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode("utf-8"),
        codecs.BOM_UTF8 + TEXT.encode("utf-8"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    ],
    ids=["utf-8", "with a mark", "utf-16", "little without a mark", "big without a mark", "big"],
)
def test_unicode_is_read_with_a_mark_and_without(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(content)
    assert [value for _, value in json_values(tmp_path / "x.jsonl")] == [{"a": "Zoë"}, {"a": "2"}]


def test_latin_1_is_refused_with_the_command_that_converts_it(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(TEXT.encode("latin-1"))
    with pytest.raises(BadInput, match=r"neither UTF-8 nor UTF-16 \(byte 0xeb at 9\)") as refused:
        read_text(path)
    command = str(refused.value).split("`")[1]
    subprocess.run(["sh", "-c", command], check=True)
    assert read_text(path) == TEXT


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    row = {"text": "one\u2028two\u2029three\x85four\x0cfive"}
    (tmp_path / "x.jsonl").write_text(
        (json.dumps(row, ensure_ascii=False) + "\r\n\n") * 2, encoding="utf-8", newline=""
    )
    assert [value for _, value in json_values(tmp_path / "x.jsonl")] == [row, row]
    assert [number for number, _ in lines_of("a\n\n \nb")] == [1, 4]


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html>",
        b"\n <html lang='en'>",
        b"<!-- x -->\n<!doctype HTML>",
        b"\xef\xbb\xbf<html>",
        b"<head>",
    ],
)
def test_a_web_page_in_the_place_of_a_file_is_told(page: bytes, tmp_path: Path) -> None:
    assert is_html(page)
    (tmp_path / "items.json").write_bytes(page)
    with pytest.raises(BadInput, match=r"items.json is an HTML page, not the file"):
        read_text(tmp_path / "items.json")


def test_json_with_a_tag_in_it_is_no_page() -> None:
    assert not is_html(b'{"html": "<html>"}')
    assert not is_html(b"")


def test_a_pointer_of_git_lfs_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    with pytest.raises(BadInput, match="git lfs pull"):
        check_is_data(tmp_path / "x")


def test_one_torn_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n{"a": \n{"a": 3}\n')
    found = dict(json_values(tmp_path / "x.jsonl"))
    assert isinstance(found[f"{tmp_path}/x.jsonl, line 2"], ValueError)
    assert len(found) == 3


def test_what_is_no_json_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("hello\n")
    with pytest.raises(BadInput, match=r"x.json is not JSON"):
        list(json_values(tmp_path / "x.json"))
