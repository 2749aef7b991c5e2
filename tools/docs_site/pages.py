"""Every page of the site that is made from the program and not written by hand."""

from __future__ import annotations

from pathlib import Path

from tools.docs_site.api_pages import PAGES, api_page
from tools.docs_site.commands_page import commands_page
from tools.docs_site.schema_pages import read_schema, schema_page

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = {
    "experiment": (
        "Keys of an experiment file",
        "Made from the JSON schema of `harness run`'s file; `harness schema --out experiment.schema.json` writes it for editors.",
        "harness/experiment/experiment.schema.json",
    ),
    "training": (
        "Keys of a training file",
        "Made from the JSON schema of `harness train`'s file; `harness schema training --out training.schema.json` writes it.",
        "harness/training/training.schema.json",
    ),
}
"""Page -> (title, introduction, the schema's file)."""


def made_pages() -> dict[str, str]:
    """Path on the site -> Markdown, of every page that is made and not written."""
    pages = {"reference/commands.md": commands_page()}
    for name, (title, introduction, path) in SCHEMAS.items():
        schema = read_schema((ROOT / path).read_text("utf-8"))
        pages[f"reference/{name}.md"] = schema_page(title, introduction, schema)
    return pages | {f"reference/{name}.md": api_page(name) for name in PAGES}
