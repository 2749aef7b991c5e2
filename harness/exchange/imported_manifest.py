"""The manifest of a run whose dialogues were imported: nothing was played here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import environments
from agents.strategists import REFERENCE
from harness.experiment.experiment import Experiment
from harness.experiment.manifest_form import SEPARATOR
from harness.results.leaks import task_hash

SPLIT, PROTOCOL = "imported", "sotopia-log"


def imported_manifest(name: str, cells: Counter[str], judge: str, tasks: Sequence[str]) -> dict[str, Any]:
    """A manifest that every reader understands; `imported` says that nothing was played here."""
    environment = environments.make("sotopia")
    metric = environment.metric
    models = dict.fromkeys(cell.split(SEPARATOR)[3] for cell in cells)
    pairings = dict.fromkeys(cell.split(SEPARATOR)[2] for cell in cells)
    partners = dict.fromkeys(
        pairing.removeprefix("vs ").removesuffix(", in seat 1") for pairing in pairings if pairing != "self-play"
    )
    config = {
        "name": re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:80] or "imported",
        "description": "dialogues of sotopia's EpisodeLog, imported",
        "seed": 0,
        "environments": [{"name": "sotopia", "split": SPLIT, "label": "", "tasks": None, "options": {}}],
        "models": {},
        "actors": [{"name": model, "model": f"log:{model}"} for model in models],
        "partners": [{"name": model, "model": f"log:{model}"} for model in partners if model not in models],
        "strategists": [{"kind": REFERENCE}],
        "pairings": [
            pairing
            if pairing == "self-play"
            else {"name": pairing, "actor": pairing.removeprefix("vs ").removesuffix(", in seat 1"), "orders": "first"}
            for pairing in pairings
        ],
        "judge": None,
    }
    whole = Experiment.model_validate(config)
    return {
        "schema_version": 1,
        "imported": True,
        "run": name,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "identity": whole.identity,
        "config": whole.model_dump(mode="json"),
        "cells": {cell: {"planned": count, "assisted": "none"} for cell, count in cells.items()},
        "environments": {
            "sotopia": {
                "name": "sotopia",
                "protocol": PROTOCOL,
                "seats": 2,
                "metric": {
                    "name": metric.name,
                    "low": metric.low,
                    "high": metric.high,
                    "success_at": metric.success_at,
                },
            }
        },
        "judge": judge,
        "process": [],
        "prompts": {},
        "data": {},
        "tasks": {f"sotopia{SEPARATOR}{SPLIT}": [task_hash("sotopia", task) for task in tasks]},
    }
