"""Sources of the page's numbers: per run its versions, models, judge and hashes of data and prompts.

Only what tells results apart is shown: no address of an endpoint, no path of the machine that played."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from harness.results.store import read_manifest
from leaderboard.page.again import shown_path
from leaderboard.page.markup import Content, node


def provenance(runs: Mapping[str, Path]) -> list[Content]:
    """One list of facts per run, by the name it is shown by."""
    parts: list[Content] = []
    for name, folder in runs.items():
        facts = node("dl")
        for key, value in _facts(read_manifest(folder)):
            facts.append(node("dt", key))
            facts.append(_described(value))
        parts += [node("h3", name), facts]
    return parts


def _described(value: str | list[str]) -> Element:
    if isinstance(value, str):
        return node("dd", value)
    lines: list[Content] = []
    for number, line in enumerate(value):
        lines += [node("br") if number else None, line]
    return node("dd", *lines)


def _facts(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str | list[str]]]:
    config = manifest["config"]
    if config.get("description"):
        yield "what", str(config["description"])
    yield "made", str(manifest["created_at"])
    yield "identity", f"{manifest['identity']}, seed {config['seed']}, repeats {config['repeats']}"
    yield "code", _code(manifest)
    yield "judge", str(manifest["judge"] or "none: the environments verify")
    if manifest.get("process"):
        yield "process rewards", [str(label) for label in manifest["process"]]
    yield (
        "models",
        [
            _model(name, model) + _adapter(model, (manifest.get("adapters") or {}).get(name))
            for name, model in config["models"].items()
        ],
    )
    yield "protocols", [f"{shown}: {entry['protocol']}" for shown, entry in manifest["environments"].items()]
    yield (
        "data",
        [f"{where}: {what} {digest}" for where, each in manifest["data"].items() for what, digest in each.items()],
    )
    yield "prompts", [f"{name}@{version}" for name, version in manifest["prompts"].items()]
    yield "packages", ", ".join(f"{name} {version}" for name, version in manifest.get("packages", {}).items())


def _code(manifest: Mapping[str, Any]) -> str:
    if manifest.get("imported"):
        return "none: the dialogues were imported"
    git = manifest.get("git")
    commit = (
        f"commit {git['commit']}{', with local changes' if git['dirty'] else ''}" if git else "an installed package"
    )
    return f"{commit}; Python {manifest['python']}"


def _model(name: str, config: Mapping[str, Any]) -> str:
    """Provider, model and revision. A model that is a file goes by the file's name: its folder is nobody's business."""
    model = shown_path(str(config.get("model") or config.get("function") or ""))
    revision = f", revision {config['revision']}" if config.get("revision") else ""
    return f"{name}: {config.get('provider', 'unknown provider')} {model}{revision}"


def _adapter(config: Mapping[str, Any], digest: str | None) -> str:
    """Name and content of a model's adapter."""
    if digest is None:
        return ""
    name = str(config.get("adapter") or (config.get("args") or {}).get("adapter") or "")
    return f", adapter {name.replace(chr(92), '/').rstrip('/').rsplit('/', 1)[-1]} ({digest})"
