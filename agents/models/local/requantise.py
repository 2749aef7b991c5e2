"""Writes a GGUF file again with its 4-bit matrices in another format. Needs the package gguf.

The values are those of the file it starts from, rounded once more; nothing is gained in quality, only in speed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

FROM = "Q4_1"
"""The format whose matrices are written again; everything else is copied as it is."""


def requantise(source: Path, target: Path, kind: str) -> None:
    """Write `source` to `target` with its Q4_1 matrices as `kind` ("Q8_0", "Q4_0"). The bytes depend on the file and the
    kind alone."""
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, LlamaFileType, quants

    reader, wanted = GGUFReader(source), GGMLQuantizationType[kind]
    writer = GGUFWriter(target, _text(reader, "general.architecture"))
    _copy_fields(reader, writer)
    writer.add_file_type(LlamaFileType[f"MOSTLY_{kind}"])
    for tensor in reader.tensors:
        if tensor.tensor_type.name == FROM:
            data = quants.quantize(quants.dequantize(tensor.data, tensor.tensor_type), wanted)
            writer.add_tensor(tensor.name, data, raw_dtype=wanted)
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _copy_fields(reader: Any, writer: Any) -> None:
    from gguf import GGUFValueType

    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue  # the writer's own
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)


def _text(reader: Any, name: str) -> str:
    return str(reader.fields[name].contents())
