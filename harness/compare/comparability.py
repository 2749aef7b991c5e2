"""Rules for comparing two arms: the facts that have to be the same, and those that may differ because they are under test.
Tasks, seeds, data, judge, protocol and actor have to be the same, and two strategists of local weights have to be served by the
same engine in the same precision, unless the user allows a difference. Prompts, code, packages and the strategist are what is
tried: their change is shown, never refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from agents.strategists import REFERENCE
from environments.prompts import prompt_version
from harness.base.errors import BadInput, nearest
from harness.base.part_files import shown_name
from harness.experiment.identity import EFFORT_ROLE_KEYS, entry_of, environment_options, model_identity
from harness.reading.parsing import VERSION_0_1 as EARLIER_READER
from harness.reading.readers import reader_in, readers_said, without_reader

CATEGORIES = ("tasks", "seeds", "data", "judge", "protocol", "actor", "serving")
SHOWN = 12
"""Number of differences of a category that are spelt out."""


def facts_of(manifest: Mapping[str, Any], cell: str, judge: str | None) -> dict[str, Any]:
    """Category -> what a cell's numbers rest on, as plain JSON; `tasks` are hashes, or None in runs that kept none."""
    shown, split, pairing, actor, strategist = cell.split(" | ")
    config = with_adapters_by_content(manifest)
    spec = next(
        e for e in config["environments"] if (e["label"] or shown_name(e["name"]), e["split"]) == (shown, split)
    )
    label = manifest["environments"][shown]["protocol"]
    return {
        "tasks": manifest.get("tasks", {}).get(f"{shown} | {split}"),
        "seeds": {"seed": config["seed"], "repeats": config["repeats"]},
        "data": manifest["data"].get(f"{shown} | {split}", {}),
        "judge": None if judge is None else {"label": judge, "models": judge_models(config)},
        "protocol": {
            **manifest["environments"][shown],
            "protocol": without_reader(label),
            "options": environment_options(spec["name"], spec["options"]),
            "partner": _partner(config, pairing),
        },
        "actor": _actor(config, actor),
        "serving": _serving(manifest, strategist),
        "reader": None if manifest.get("imported") or _is_scripted(config, actor) else reader_in(manifest, label),
    }


def with_adapters_by_content(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A run's config with the hash of each adapter, where the manifest has one, in place of its path: another file at the same
    place is another model, the same file elsewhere is not."""
    config, hashes = manifest["config"], manifest.get("adapters") or {}
    models = {
        name: _with_adapter(model, hashes[name]) if name in hashes else model
        for name, model in config["models"].items()
    }
    return {**config, "models": models}


def _with_adapter(model: Mapping[str, Any], digest: str) -> dict[str, Any]:
    args = {key: value for key, value in (model.get("args") or {}).items() if key != "adapter"}
    kept = {key: value for key, value in model.items() if key != "args"}
    return {**kept, **({"args": args} if args else {}), "adapter": f"content {digest}"}


def normal_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an older baseline as they are written down now: models and options in their normal form."""
    protocol = dict(facts["protocol"])
    protocol["options"] = environment_options(protocol["name"], protocol["options"])
    scripted = (facts["actor"] or {}).get("script") is not None
    kept = {"reader": None if scripted else EARLIER_READER, **facts, "protocol": protocol}
    if facts["judge"] is not None:
        kept["judge"] = {**facts["judge"], "models": [_of_output(judge) for judge in facts["judge"]["models"]]}
    return {key: _normal_models(value) for key, value in kept.items()}


def _normal_models(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: model_identity(item) if key == "model_config" and item is not None else _normal_models(item)
            for key, item in value.items()
        }
    return [_normal_models(item) for item in value] if isinstance(value, list) else value


def _is_scripted(config: Mapping[str, Any], label: str) -> bool:
    return (_actor(config, label) or {}).get("script") is not None


def reader_lines(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Differences between two arms' readers: one line where the same answer would be read in two ways on purpose, none where
    the readers of version 0.1 are one of them (`reader_note`)."""
    readers = [facts.get("reader") for facts in (one, other)]
    if None in readers or EARLIER_READER in readers or readers[0] == readers[1]:
        return []
    return [f"protocol.reader: {readers[0]!r} -> {readers[1]!r}"]


def reader_note(one: Mapping[str, Any], other: Mapping[str, Any], names: tuple[str, str]) -> str | None:
    """A sentence for two arms of which one was read by the readers of version 0.1 and the other by today's."""
    readers = [facts.get("reader") for facts in (one, other)]
    if None in readers or readers[0] == readers[1] or EARLIER_READER not in readers:
        return None
    said = readers_said(dict(zip(names, map(str, readers), strict=True)))
    return f"the answers were not read by the same reader: {said}"


def under_test(manifest: Mapping[str, Any], cell: str) -> dict[str, Any]:
    """Facts that may differ between two arms, as plain JSON: the strategist, prompts and code."""
    strategist = cell.split(" | ")[4]
    config = with_adapters_by_content(manifest)
    spec = next((s for s in config["strategists"] if strategist_label(s) == strategist), {"kind": REFERENCE})
    roles: Mapping[str, str] = manifest.get("roles") or {}
    role = {"role": roles[strategist]} if strategist in roles else {}
    trained = _trained(manifest, cell)
    return {
        "strategist": {**_of_output(spec), "model_config": model_facts(config, spec.get("model")), **role},
        "prompts": manifest["prompts"],
        "code": {key: manifest.get(key) for key in ("git", "packages", "python")},
        **({"trained": trained} if trained else {}),
    }


def _trained(manifest: Mapping[str, Any], cell: str) -> list[str]:
    """Which of strategist and actor the manifest says are trained weights: by a card that lay beside them, or that is named."""
    config = manifest["config"]
    _, _, _, actor, strategist = cell.split(" | ")
    players = [spec for spec in [*config["actors"], *config["partners"]] if player_label(spec) == actor]
    asked = {
        "strategist": [spec.get("model") for spec in config["strategists"] if strategist_label(spec) == strategist],
        "actor": [spec["model"] for spec in players],
    }
    return [
        role
        for role, models in asked.items()
        for name in models[:1]
        if name is not None and (name in manifest.get("trained", ()) or entry_of(config, name).get("trained_on"))
    ]


def _serving(manifest: Mapping[str, Any], strategist: str) -> dict[str, Any] | None:
    """Engine, version and precision of the strategist's model; None where it has none, is an endpoint's, or was not noted
    yet."""
    specs = manifest["config"]["strategists"]
    spec: Mapping[str, Any] = next((s for s in specs if strategist_label(s) == strategist), {})
    found: dict[str, Any] | None = manifest.get("served", {}).get(spec.get("model"))
    return found


def judge_models(config: Mapping[str, Any]) -> list[Any]:
    """Specs and model configs of the run's own judges."""
    judges = config.get("judge") or []
    each = judges if isinstance(judges, list) else [judges]
    return [{**_of_output(judge), "model_config": model_facts(config, judge["model"])} for judge in each]


def strategist_label(spec: Mapping[str, Any]) -> str:
    """Name of a dumped strategist in results."""
    return str(spec["name"] or shown_name(spec["kind"]))


def player_label(spec: Mapping[str, Any]) -> str:
    """Name of a dumped actor or partner in results."""
    return str(spec["name"] or spec["model"] or f"script:{spec['script']}")


def _of_output(role: Mapping[str, Any]) -> dict[str, Any]:
    """A role without what is only effort; of a prompt in a file its hash."""
    return {
        key: prompt_version(value) if key == "prompt" else value
        for key, value in role.items()
        if key not in EFFORT_ROLE_KEYS
    }


def model_facts(config: Mapping[str, Any], name: str | None) -> dict[str, Any] | None:
    """A model's config without what changes no output."""
    return None if name is None else model_identity(entry_of(config, name))


def _actor(config: Mapping[str, Any], label: str) -> dict[str, Any] | None:
    for spec in [*config["actors"], *config["partners"]]:
        if player_label(spec) == label:
            return {**_of_output(spec), "model_config": model_facts(config, spec["model"])}
    return None


def _partner(config: Mapping[str, Any], pairing: str) -> dict[str, Any] | None:
    written = [raw for raw in config["pairings"] if not isinstance(raw, str)]
    if not written:
        return None
    from harness.experiment.specs import PartnerSpec

    for raw in written:
        if (partner := PartnerSpec.model_validate(raw)).label == pairing:
            strategist = next((s for s in config["strategists"] if strategist_label(s) == partner.strategist), None)
            strategist = strategist and _of_output(strategist)
            return {**raw, "actor_config": _actor(config, partner.actor), "strategist_config": strategist}
    return None


def mixed_readers(manifests: Iterable[Mapping[str, Any]]) -> str | None:
    """A sentence for runs of which some were read by the readers of version 0.1 and others by today's."""
    found: dict[str, str] = {}
    for manifest in manifests:
        cells = (cell.split(" | ") for cell in manifest["cells"])
        asked = {shown for shown, _, _, actor, _ in cells if not _is_scripted(manifest["config"], actor)}
        labels = [manifest["environments"][shown]["protocol"] for shown in sorted(asked)]
        if labels and not manifest.get("imported"):
            found[str(manifest["run"])] = "/".join(dict.fromkeys(reader_in(manifest, label) for label in labels))
    if EARLIER_READER not in found.values() or len(set(found.values())) == 1:
        return None
    return f"Not all answers were read by the same reader, and arms are ranked within theirs: {readers_said(found)}."


def check_categories(allowed: Iterable[str]) -> frozenset[str]:
    """The categories a user allows to differ. Raises `BadInput` for an unknown one."""
    for name in allowed:
        if name not in CATEGORIES:
            raise BadInput(f"--allow {name!r}: known are {', '.join(CATEGORIES)}.{nearest(name, CATEGORIES)}")
    return frozenset(allowed)


def refuse_differences(found: Mapping[str, list[str]], allowed: Collection[str], what: str) -> None:
    """Raise `BadInput` that shows every difference that is not allowed."""
    refused = {category: lines for category, lines in found.items() if category not in allowed}
    if refused:
        shown = "\n  ".join(line for lines in refused.values() for line in _some(lines))
        raise BadInput(
            f"{what} cannot be compared, they differ in {', '.join(refused)}:\n  {shown}\n"
            f"Compare what was made alike, or say that it may differ: {' '.join(f'--allow {c}' for c in refused)}"
        )


def _some(lines: Sequence[str]) -> list[str]:
    return [*lines[:SHOWN], *([f"… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])]


def differences(old: Any, new: Any, place: str) -> Iterator[str]:
    """`place: old -> new` for every leaf in which two JSON values differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from differences(old.get(key), new.get(key), f"{place}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{place}.{number}")
    elif old != new:
        yield f"{place}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 90 else f"{text[:87]}..."
