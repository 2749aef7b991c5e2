"""The same weights in another format: nothing but the 4-bit matrices changes, and those by rounding alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants

from agents.models.local.gguf import NAMES, PACKAGED, REWRITTEN, gguf_path, revision_of, rewritten
from agents.models.local.requantise import requantise
from harness.base.errors import BadInput
from harness.base.seeds import sha256_of

FAST = "smollm2-135m-instruct-q8_0"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A model of two matrices and a vector."""
    random = np.random.default_rng(0)
    path = tmp_path / "small.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_name("small")
    writer.add_token_list(["<s>", "a", "é"])
    writer.add_uint32("llama.block_count", 3)
    four_bits = GGMLQuantizationType.Q4_1
    matrix = random.normal(size=(64, 64)).astype(np.float32)
    writer.add_tensor("blk.0.attn_q.weight", quants.quantize(matrix, four_bits), raw_dtype=four_bits)
    writer.add_tensor("output.weight", random.normal(size=(64, 64)).astype(np.float32))
    writer.add_tensor("output_norm.weight", random.normal(size=64).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def values(path: Path) -> dict[str, np.ndarray]:
    return {t.name: quants.dequantize(t.data, t.tensor_type) for t in GGUFReader(path).tensors}


@pytest.mark.parametrize(("kind", "steps"), [("Q8_0", 127), ("Q4_0", 8)])
def test_matrices_are_rounded_once_and_all_else_is_copied(small: Path, tmp_path: Path, kind: str, steps: int) -> None:
    requantise(small, tmp_path / "out.gguf", kind)
    before, after = values(small), values(tmp_path / "out.gguf")
    assert list(before) == list(after)
    for name in ("output.weight", "output_norm.weight"):
        assert np.array_equal(before[name], after[name])
    changed, kept = after["blk.0.attn_q.weight"], before["blk.0.attn_q.weight"]
    # Blocks of 32 values share one scale, a 16-bit number: the largest of them divided by the number of steps.
    scale = np.abs(kept.reshape(-1, 32)).max(axis=1, keepdims=True) / steps
    assert np.all(np.abs(changed - kept).reshape(-1, 32) <= scale * (0.6 if kind == "Q8_0" else 1.1))
    fields = GGUFReader(tmp_path / "out.gguf").fields
    assert fields["tokenizer.ggml.tokens"].contents() == ["<s>", "a", "é"]
    assert fields["llama.block_count"].contents() == 3


def test_the_same_file_comes_out_every_time(small: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        requantise(small, tmp_path / name, "Q8_0")
    assert sha256_of(tmp_path / "one") == sha256_of(tmp_path / "two")


def test_the_packaged_weights_in_the_faster_format_are_known_by_their_hash(tmp_path: Path) -> None:
    path = gguf_path(FAST, "m")
    assert sha256_of(path) == REWRITTEN[FAST].sha256
    assert revision_of(FAST) == f"sha256:{REWRITTEN[FAST].sha256[:12]}" != revision_of(REWRITTEN[FAST].source)
    assert FAST in NAMES and set(PACKAGED) < set(NAMES)


def test_a_file_that_comes_out_otherwise_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    monkeypatch.setattr("agents.models.local.gguf.fetch", lambda packaged, folder: small)
    with pytest.raises(BadInput, match="came out with sha256"):
        rewritten(REWRITTEN[FAST], tmp_path)
    assert not (tmp_path / REWRITTEN[FAST].file).exists()
