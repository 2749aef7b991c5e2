"""LoRA adapters as files: a folder that peft wrote (for transformers and vLLM), or a GGUF file (for llama.cpp). What they
hold is looked at before anything is loaded, so that an adapter of another base is refused and not served."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from agents.models.local.headers import Shape, gguf_header, safetensors_shapes
from harness.base.errors import BadInput, nearest
from harness.base.patterns import pattern
from harness.base.seeds import sha256_of, stable_hash

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""Files of a peft folder."""
NOT_CONTENT = (
    *("base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "peft_version", "task_type"),
    "target_modules",
)
"""Keys of a peft config that say where the adapter comes from, or what its tensors say, in an order that changes."""
SHIPPED: Mapping[str, str] = {
    "alfworld-actor": "alfworld-actor.gguf",
    "alfworld-strategist": "alfworld-strategist.gguf",
}
"""Name of an adapter that lies in the package (agents/models/shipped, with its card) -> its file, for llama.cpp."""
DIGITS = 16
"""Hex digits of an adapter's hash."""
CONVERT = "harness models convert {folder} --base MODEL --out FILE.gguf"
_PEFT_NAME = pattern(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight$")
_GGUF_NAME = pattern(r"^(?P<module>.+)\.weight\.lora_(?P<side>[ab])$")


@dataclass(frozen=True, slots=True)
class Part:
    """The low-rank change of one matrix."""

    rank: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter on this disk."""

    path: Path
    hash: str
    """Hash of its content, not of where it lies."""
    parts: Mapping[str, Part]
    """Name of a matrix, in the words of its kind of file -> its change."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Its `adapter_config.json`, or the fields of its GGUF file."""

    @property
    def rank(self) -> int:
        """The largest rank of its parts."""
        return max(part.rank for part in self.parts.values())


def peft_adapter(path: str, name: str) -> Adapter:
    """The adapter in a peft folder, for the model `name`. Raises `BadInput` where there is none."""
    folder = Path(path).expanduser()
    if folder.suffix == ".gguf":
        raise BadInput(
            f"model {name!r}: the adapter {path} is a GGUF file, which llama.cpp reads; name the peft folder it was made from."
        )
    _refuse_missing(folder / CONFIG, path, name)
    _refuse_missing(folder / WEIGHTS, path, name)
    try:
        facts = json.loads((folder / CONFIG).read_text("utf-8"))
        kind = facts["peft_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"model {name!r}: {folder / CONFIG} cannot be read ({error}); expected what peft writes."
        ) from None
    if kind != "LORA":
        raise BadInput(f"model {name!r}: the adapter {path} is of peft's type {kind}; expected LORA.")
    parts = _parts(safetensors_shapes(folder / WEIGHTS), _PEFT_NAME, f"model {name!r}: {folder / WEIGHTS}")
    return Adapter(folder.resolve(), _peft_hash(facts, folder / WEIGHTS), parts, facts)


def _refuse_missing(file: Path, path: str, name: str) -> None:
    if not file.is_file():
        raise BadInput(
            f"model {name!r}: the adapter {path!r} holds no {file.name}; expected the folder of a LoRA adapter that peft "
            "wrote (`harness train fit` with `lora` writes one)."
        )


def gguf_adapter(path: str, name: str) -> Adapter:
    """The adapter in a GGUF file, for the model `name`. Raises `BadInput` where there is none."""
    file = Path(path).expanduser()
    if file.is_dir():
        raise BadInput(
            f"model {name!r}: the adapter {path!r} is a folder; llama.cpp reads GGUF files. `{CONVERT.format(folder=path)}` "
            "makes one of it."
        )
    if not file.is_file():
        raise BadInput(
            f"model {name!r}: there is no adapter {path!r}; expected a GGUF file (`harness models convert` makes one of a "
            f"peft folder), or one of the package: {', '.join(SHIPPED)}.{nearest(path, list(SHIPPED))}"
        )
    header = gguf_header(file)
    kind = (header.fields.get("general.type"), header.fields.get("adapter.type"))
    if kind != ("adapter", "lora"):
        raise BadInput(
            f"model {name!r}: {path} is a GGUF file, but no LoRA adapter (general.type is {kind[0]!r}); whole models go "
            "under `model`."
        )
    parts = _parts(header.shapes, _GGUF_NAME, f"model {name!r}: {path}")
    return Adapter(file.resolve(), _hash(file), parts, header.fields)


def _parts(shapes: Mapping[str, Shape], pattern: re.Pattern[str], what: str) -> dict[str, Part]:
    """The pairs of an adapter's tensors. Raises `BadInput`."""
    sides: dict[str, dict[str, Shape]] = defaultdict(dict)
    for tensor, shape in shapes.items():
        found = pattern.match(tensor)
        if found is None or len(shape) != 2:
            raise BadInput(f"{what}: {tensor!r} is not the change of a matrix; only plain LoRA on matrices is known.")
        sides[found["module"]][found["side"].lower()] = shape
    if not sides or any(pair.keys() != {"a", "b"} or pair["a"][0] != pair["b"][1] for pair in sides.values()):
        raise BadInput(f"{what}: expected pairs of lora_A and lora_B of one rank.")
    return {module: Part(pair["a"][0], pair["b"][0], pair["a"][1]) for module, pair in sides.items()}


def _hash(file: Path) -> str:
    return sha256_of(file)[:DIGITS]


def _peft_hash(facts: Mapping[str, Any], weights: Path) -> str:
    content = {key: value for key, value in facts.items() if key not in NOT_CONTENT}
    return stable_hash(content, sha256_of(weights))[:DIGITS]


def is_unchanged(path: Path, known: str) -> bool:
    """True if the file of a GGUF adapter is there and has the content that it had."""
    return path.is_file() and _hash(path) == known


def adapter_path(config: Mapping[str, Any]) -> str | None:
    """The adapter that a model's config names, in today's words (`adapter`) or those of older files (`args`)."""
    given, args = config.get("adapter"), config.get("args")
    args = args if isinstance(args, Mapping) else {}
    if given is None and config.get("provider") == "transformers":
        given = args.get("adapter")
    if given is None and config.get("provider") == "vllm" and args.get("adapter") is not None:
        given = (args.get("lora-modules") or args.get("lora_modules") or {}).get(args["adapter"])
    return None if given is None else shipped_path(str(given))


def shipped_path(adapter: str) -> str:
    """The path of an adapter that is named as one of the package's; any other text as it is."""
    if adapter not in SHIPPED:
        return adapter
    return str(files("agents.models").joinpath("shipped", SHIPPED[adapter]))


def adapter_of(config: Mapping[str, Any], name: str) -> Adapter | None:
    """The adapter of the model `name`; None where its config names none. Raises `BadInput` where it is not there."""
    path, provider = adapter_path(config), config.get("provider")
    if path is None or provider not in ("llamacpp", "transformers", "vllm"):
        return None
    return gguf_adapter(path, name) if provider == "llamacpp" else peft_adapter(path, name)


def refuse_other_base(adapter: Adapter, shapes: Mapping[str, Shape], base: str, name: str) -> None:
    """Raise `BadInput` where a matrix that the adapter changes is not in the base, or of another size. `shapes`: the
    tensors of the base, in the words of the adapter's kind of file; with none nothing is known, and nothing refused."""
    known: dict[str, set[Shape]] = defaultdict(set)
    for tensor, shape in shapes.items():
        known[_within(tensor.removesuffix(".weight"))].add(shape)
    for module, part in adapter.parts.items():
        here = known.get(_within(module), set())
        if not shapes or (part.rows, part.columns) in here or (not here and module.endswith("lm_head")):
            continue
        found = " or ".join("×".join(map(str, shape)) for shape in sorted(here)) or "none"
        raise BadInput(
            f"model {name!r}: the adapter {adapter.path} was made for another base than {base}: it changes {module} of size "
            f"{part.rows}×{part.columns}, and the base has {found}. Name the base that it was trained on as `model`, or "
            "another adapter."
        )


def _within(module: str) -> str:
    """A matrix's name from its layer on: what stands before that differs between a model's classes."""
    found = re.search(r"\blayers\.\d+\..*", module)
    return found[0] if found else module


def revision_with(revision: str | None, adapter: Adapter | None) -> str | None:
    """A model's revision with its adapter's hash, once."""
    return (
        revision
        if adapter is None or adapter.hash in (revision or "")
        else f"{revision or 'unknown'}+adapter:{adapter.hash}"
    )
