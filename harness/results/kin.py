"""Judges that are related to the players they judge: the same model, or one of the same family. A model tends to like what it
would have said itself, so that an arm can win by its manner."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.experiment.identity import entry_of
from harness.results.judge_panel import read_panel

FAMILIES: Sequence[tuple[str, str]] = (
    (r"^(?:chatgpt|gpt|o\d|davinci|codex)", "gpt"),
    (r"^(?:mistral|mixtral|ministral|codestral|magistral|devstral)", "mistral"),
    (r"^(?:qwen|qwq|qvq)", "qwen"),
    (r"^(?:phi)", "phi"),
)
"""Families whose models have several names; elsewhere a family is what a name begins with."""
NO_MODEL = ("scripted",)
"""Providers that stand for no language model."""


def family_of(model: Mapping[str, Any] | None) -> str | None:
    """The family of a model by its config: gpt, claude, qwen, …; None for what is no language model or has no such name."""
    if model is None or model.get("provider") in NO_MODEL or not isinstance(model.get("model"), str):
        return None
    name = str(model["model"]).rstrip("/").rpartition("/")[2].lower()
    for pattern, family in FAMILIES:
        if re.search(pattern, name):
            return family
    found = re.match(r"[a-z]{3,}", name)
    return found[0] if found else None


def kin_sentences(config: Mapping[str, Any], judge: str | None = None) -> list[str]:
    """A sentence for every judge that is related to an actor, of a run's dumped experiment (`manifest["config"]`). `judge`: the
    label whose scores are shown; the experiment's own judges when left out."""
    actors = {spec["model"] for spec in config.get("actors") or [] if spec.get("model")}
    return _sentences(
        ((name, entry_of(config, name)) for name in _judges(config, judge)),
        [(name, entry_of(config, name)) for name in sorted(actors)],
    )


def kin_of_facts(facts: Iterable[Mapping[str, Any]]) -> list[str]:
    """The same of arms, by the facts they rest on (`harness.compare.comparability`)."""
    lines: dict[str, None] = {}
    for each in facts:
        judge, actor = each.get("judge"), each.get("actor") or {}
        if judge is None or not actor.get("model"):
            continue
        known = {spec["model"]: spec["model_config"] for spec in judge["models"]}
        judges = ((name, known.get(name) or _written(name)) for name in _models_in(judge["label"]))
        lines |= dict.fromkeys(_sentences(judges, [(actor["model"], actor.get("model_config") or {})]))
    return list(lines)


def _judges(config: Mapping[str, Any], label: str | None) -> list[str]:
    """Names of the models that judge."""
    if label is not None:
        return _models_in(label)
    given = config.get("judge") or []
    return [spec["model"] for spec in (given if isinstance(given, list) else [given])]


def _models_in(label: str) -> list[str]:
    """Names of the models in the label of a judge or a panel: what stands between its kind and the prompt's version."""
    return ["/".join(each.split("/")[1:-1]) for each in read_panel(label)[0]]


def _written(name: str) -> Mapping[str, Any]:
    """The config of a model that is written as `provider:model`."""
    provider, _, model = name.partition(":")
    return {"provider": provider, "model": model}


def _sentences(
    judges: Iterable[tuple[str, Mapping[str, Any]]], actors: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[str]:
    lines: dict[str, None] = {}
    for name, model in judges:
        for actor, acting in actors:
            kin = _kin(name, model, actor, acting)
            if kin:
                lines[
                    f"The judge {name} is {kin}: a model likes its own words, and an arm could win by its manner. Its card "
                    f"says how much (`harness judge RUN --judge {name} --copies own-style`, then `harness judge report "
                    "RUN`); a judge of another family would be safer."
                ] = None
    return list(lines)


def _kin(name: str, model: Mapping[str, Any], actor: str, acting: Mapping[str, Any]) -> str | None:
    """Relation of a judge to an actor; None where there is none."""
    if family_of(model) is None:
        return None
    if name == actor or (model.get("provider"), model.get("model")) == (acting.get("provider"), acting.get("model")):
        return f"the model that acts ({actor})" if name != actor else "the model that acts"
    if family_of(model) == family_of(acting):
        return f"of the family of the actor {actor} ({family_of(model)})"
    return None
