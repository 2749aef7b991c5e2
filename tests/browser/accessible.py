"""Check a page with axe-core, an accessibility checker. Its script comes with `axe-playwright-python` (extra `dev`)."""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources import files
from typing import TYPE_CHECKING

from tests.shared_data import missing

if TYPE_CHECKING:
    from playwright.sync_api import Page

GRAVE = ("serious", "critical")
RUN = """options => axe.run(document, options).then(found => found.violations.flatMap(rule => rule.nodes.map(node =>
    [rule.impact, rule.id, String(node.target), (node.failureSummary || "").split("\\n").slice(1).join(" ").trim()])))"""


def findings(page: Page, but: Collection[tuple[str, str]] = ()) -> list[str]:
    """The serious and critical findings as lines; `but`: pairs of a rule and a part of the selector that are left out."""
    page.evaluate(_script())
    found = page.evaluate(RUN, {"resultTypes": ["violations"]})
    return [
        f"{rule} at {place}: {why}"
        for impact, rule, place, why in found
        if impact in GRAVE and not any(rule == name and part in place for name, part in but)
    ]


def _script() -> str:
    try:
        return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        missing("axe-playwright-python is not installed; it is part of the extra `dev`")
        raise
