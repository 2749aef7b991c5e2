"""A LoRA adapter that peft wrote as a GGUF file, for llama.cpp. Needs the packages gguf, safetensors and torch.

The tensors get the names and the order of rows that llama.cpp's own conversion gives the base's (convert_hf_to_gguf.py,
convert_lora_to_gguf.py of ggml-org/llama.cpp): in the architecture llama the rows of q_proj and k_proj are reordered, because
its rotary embedding pairs neighbours where Hugging Face pairs halves.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from agents.models.local.adapters import WEIGHTS, Adapter, gguf_adapter, peft_adapter, refuse_other_base
from agents.models.local.gguf import NAMES, gguf_path
from agents.models.local.headers import Shape, folder_shapes, gguf_header
from harness.base.errors import BadInput
from harness.base.invocation import installs
from harness.base.places import data_home
from harness.base.safe_files import scratch_folder

AdapterDtype = Literal["float32", "float16"]
ARCHITECTURES: Mapping[str, str] = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"""Hugging Face's `model_type` -> llama.cpp's architecture, as far as its conversion of matrices is known here."""
PERMUTED = re.compile(r"\.attn_(?P<which>[qk])$")
PEFT_HASH = "strategist_harness.adapter.peft_hash"
"""Field of a converted file: the hash of the folder it was made from."""
REFUSED: Mapping[str, Any] = {"use_dora": False, "fan_in_fan_out": False, "bias": "none", "modules_to_save": None}
"""Options of peft that change more than matrices by a product of two, and what they have to be."""


@dataclass(frozen=True, slots=True)
class Base:
    """Facts of the base that a conversion needs."""

    shown: str
    architecture: str
    blocks: int
    heads: int
    kv_heads: int
    shapes: Mapping[str, Shape]
    """Its tensors in the words of a GGUF file; empty where it is none."""


def convert_adapter(folder: Path, base: str | None, out: Path, dtype: AdapterDtype = "float32") -> Adapter:
    """Write the adapter of a peft folder as a GGUF file and return it. `base`: a Hugging Face folder, a .gguf file or a known
    name; the folder that the adapter was trained on when left out. The file appears whole or not at all, in place of one
    that was there. Raises `BadInput` for what cannot be converted, and for a base that it does not fit."""
    if dtype not in get_args(AdapterDtype):
        raise BadInput(f"dtype {dtype!r}: an adapter is written in one of {', '.join(get_args(AdapterDtype))}.")
    missing = [package for package in ("gguf", "safetensors", "torch") if find_spec(package) is None]
    if missing:
        raise BadInput(f"the packages {', '.join(missing)} are missing: {installs('train')}")
    adapter = peft_adapter(str(folder), folder.name)
    for option, plain in REFUSED.items():
        if (adapter.facts.get(option) or plain) != plain:
            raise BadInput(f"{folder}: {option} is {adapter.facts[option]!r}; llama.cpp takes plain LoRA on matrices.")
    known = _base_of(base or str(adapter.facts.get("base_model_name_or_path") or ""), folder)
    modules = _renamed_parts(adapter, known)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(out.parent, out.name) as scratch:
            part = scratch / out.name
            _write(adapter, known, modules, part, dtype)
            part.replace(out)
    except OSError as error:
        raise BadInput(f"{out} cannot be written: {error}") from None
    return gguf_adapter(str(out), folder.name)


def default_file(folder: Path) -> Path:
    """Default file of an adapter's conversion: one per content. Raises `BadInput`."""
    adapter = peft_adapter(str(folder), folder.name)
    return data_home() / "adapters" / f"{folder.resolve().name}-{adapter.hash}.gguf"


def is_converted(file: Path) -> bool:
    """True if the file is an adapter in GGUF, which may be written again."""
    try:
        gguf_adapter(str(file), file.name)
    except BadInput:
        return False
    return True


def _base_of(base: str, adapter: Path) -> Base:
    """Facts of the base. Raises `BadInput`."""
    path = Path(base).expanduser()
    if base in NAMES or path.is_file():
        return _gguf_base(gguf_path(base, base))
    if base and (path / "config.json").is_file():
        return _folder_base(path)
    said = f"its base {base!r} is not on this disk" if base else "it does not say what its base is"
    raise BadInput(
        f"{adapter}: {said}; name it with --base: a Hugging Face folder, a .gguf file, or one of {', '.join(NAMES)}."
    )


def _gguf_base(file: Path) -> Base:
    header = gguf_header(file)
    architecture = str(header.fields.get("general.architecture"))
    if architecture not in ARCHITECTURES.values():
        raise _unknown(str(file), architecture)
    try:
        count = {key: int(header.fields[f"{architecture}.{key}"]) for key in ("block_count", "attention.head_count")}
        kv_heads = header.fields.get(f"{architecture}.attention.head_count_kv")
    except (KeyError, TypeError) as error:
        raise BadInput(f"{file} does not say its {error}; name the base's Hugging Face folder with --base.") from None
    heads = count["attention.head_count"]
    return Base(str(file), architecture, count["block_count"], heads, int(kv_heads or heads), header.shapes)


def _folder_base(folder: Path) -> Base:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        kind, blocks = str(config.get("model_type")), int(config["num_hidden_layers"])
        heads = int(config["num_attention_heads"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / 'config.json'} cannot be read as a model's config: {error}") from None
    if kind not in ARCHITECTURES:
        raise _unknown(str(folder), kind)
    kv_heads = int(config.get("num_key_value_heads") or heads)
    names = _gguf_names(ARCHITECTURES[kind], blocks)
    shapes = {_renamed(names, name.removesuffix(".weight")): shape for name, shape in folder_shapes(folder).items()}
    return Base(str(folder), ARCHITECTURES[kind], blocks, heads, kv_heads, shapes)


def _unknown(base: str, kind: str) -> BadInput:
    return BadInput(
        f"{base} is of the kind {kind!r}; adapters are converted for {', '.join(sorted(ARCHITECTURES))}. "
        "llama.cpp's convert_lora_to_gguf.py knows more; its files are served here, too."
    )


def _gguf_names(architecture: str, blocks: int) -> Any:
    from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map

    arch = next(key for key, name in MODEL_ARCH_NAMES.items() if name == architecture)
    assert isinstance(arch, MODEL_ARCH)
    return get_tensor_name_map(arch, blocks)


def _renamed(names: Any, module: str) -> str:
    """A matrix's name in a GGUF file; its own where there is none."""
    return str(names.get_name(module) or module)


def _renamed_parts(adapter: Adapter, base: Base) -> dict[str, str]:
    """Matrix -> its name in a GGUF file. Raises `BadInput` where the base has no such matrix, or one of another size."""
    names = _gguf_names(base.architecture, base.blocks)
    renamed = {module: _renamed(names, module) for module in sorted(adapter.parts)}
    for module, name in renamed.items():
        if name == module:
            raise BadInput(
                f"{adapter.path}: {base.shown} has no matrix {module!r}; name the adapter's base with --base."
            )
    parts = {renamed[module]: part for module, part in adapter.parts.items()}
    refuse_other_base(replace(adapter, parts=parts), base.shapes, base.shown, adapter.path.name)
    return renamed


def _write(adapter: Adapter, base: Base, modules: Mapping[str, str], target: Path, dtype: AdapterDtype) -> None:
    from gguf import GGUFWriter
    from safetensors.torch import load_file

    tensors = load_file(adapter.path / WEIGHTS)
    alpha = float(adapter.facts["lora_alpha"])
    writer = GGUFWriter(target, base.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    writer.add_string(PEFT_HASH, adapter.hash)
    for module, renamed in modules.items():
        down, up = (tensors[f"base_model.model.{module}.lora_{side}.weight"].float().numpy() for side in "AB")
        rank = len(down)
        # llama.cpp multiplies by alpha/rank; where peft does otherwise here, the rest goes into the matrix.
        up = up * (_scaling(adapter.facts, module, rank) * rank / alpha if alpha else 0.0)
        if base.architecture == "llama" and (which := PERMUTED.search(renamed)):
            up = _permuted(up, base.heads if which["which"] == "q" else base.kv_heads)
        writer.add_tensor(f"{renamed}.weight.lora_a", down.astype(dtype))
        writer.add_tensor(f"{renamed}.weight.lora_b", up.astype(dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _scaling(facts: Mapping[str, Any], module: str, rank: int) -> float:
    """Factor of the change of one matrix, as peft has it (peft.tuners.lora.LoraLayer.update_layer)."""
    patterns = facts.get("alpha_pattern") or {}
    own = [value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", module)]
    alpha = float(own[0] if own else facts["lora_alpha"])
    return alpha / math.sqrt(rank) if facts.get("use_rslora") else alpha / rank


def _permuted(rows: Any, heads: int) -> Any:
    """The rows of q_proj or k_proj in llama.cpp's order (`LlamaModel.permute` of convert_hf_to_gguf.py)."""
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, shape[1]).swapaxes(1, 2).reshape(shape)
