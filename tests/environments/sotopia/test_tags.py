"""Who reads what inside tagged profile texts."""

from __future__ import annotations

import pytest

from environments.sotopia.tags import ENVIRONMENT, check_tags, render_for, seat_viewer
from harness.base.errors import BadInput

TEXT = (
    'Both. <p viewer="environment">Judge. <extra_info>Deep.</extra_info></p>'
    "<p viewer='agent_0'>First.</p><extra_info>Info <strategy_hint>hint</strategy_hint>.</extra_info> a < b & <3"
)


@pytest.mark.parametrize(
    ("viewer", "expected"),
    [
        (seat_viewer(0), "Both. First.Info hint. a < b & <3"),
        (seat_viewer(1), "Both. Info hint. a < b & <3"),
        (ENVIRONMENT, "Both. Judge. Deep.First.Info hint. a < b & <3"),
    ],
)
def test_each_viewer_reads_its_own_parts_without_tags(viewer: str, expected: str) -> None:
    check_tags(TEXT, "here")
    assert render_for(TEXT, viewer) == expected


def test_what_lies_inside_a_hidden_part_stays_hidden_from_the_one_it_names() -> None:
    text = '<p viewer="environment">a<p viewer="agent_1">b</p></p>c'
    assert render_for(text, seat_viewer(1)) == "c"


@pytest.mark.parametrize(
    "text",
    [
        '<p viewer="environment">never closed',
        "closed only</p>",
        "<p><extra_info>crossed</p></extra_info>",
        "<b>unknown</b>",
        "<p viewer=environment>no quotes</p>",
        '<p viewer="environment" other="x">more</p>',
        '<p viewer="environment"',
        "<extra_info",
    ],
)
def test_a_tag_that_could_leak_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="scenario 7: "):
        check_tags(text, "scenario 7")
