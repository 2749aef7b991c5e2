"""Hooks for mkdocs: add the generated pages, and point links that leave docs/ to copies on the site."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.docs_site.links import DOCS, REPOSITORY, outside, rewritten, site_path  # noqa: E402
from tools.docs_site.pages import made_pages  # noqa: E402


def on_files(files: Files, config: Any) -> Files:
    """Add the made pages, and what our pages lead to outside docs/."""
    for path, text in made_pages().items():
        files.append(File.generated(config, path, content=text))
    for path in outside(ROOT):
        files.append(File.generated(config, site_path(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead a page's links to files of the repository to where those stand on the site."""
    where = str(page.file.src_uri)
    if where.startswith("reference/"):
        return markdown
    written = where.removeprefix(f"{REPOSITORY}/") if where.startswith(f"{REPOSITORY}/") else f"{DOCS}/{where}"
    return rewritten(written, markdown, ROOT)
