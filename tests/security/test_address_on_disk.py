"""An address that stands in the environment is written nowhere, nor is a secret of the body; workers find both."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.e2e.runs import dialogues, endpoint_config, only_run
from tests.e2e.speaking_server import speak
from tests.security.test_secrets_on_disk import command, everything_under
from tests.servers.openai_server import OpenAIServer

SECRET = "planted_Part-4711.abcdefgh"


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_address_and_a_body_from_the_environment_are_kept_nowhere(workers: str, tmp_path: Path) -> None:
    with OpenAIServer(speak) as server:
        place = f"127.0.0.1:{server.url.rsplit(':', 1)[1].split('/')[0]}"
        model = endpoint_config(server.url, extra_body={"auth": {"env": "PLANTED"}}) | {"base_url": {"env": "WHERE"}}
        (tmp_path / "e.yaml").write_text(yaml.safe_dump(dialogues(model, 4, judge={"model": "m"})))
        environment = {"PLANTED": SECRET, "WHERE": server.url}
        options = ("--results", "results", "--workers", workers)
        said = command("run", "e.yaml", *options, cwd=tmp_path, **environment)
        said += command("run", "e.yaml", "--dry-run", *options, cwd=tmp_path, **environment)
        assert all(request["auth"] == SECRET for request in server.requests) and len(server.requests) > 8, said
    assert "4 of 4 planned episodes finished" in said
    said += command("show", str(only_run(tmp_path / "results")), cwd=tmp_path)
    files = list(everything_under(tmp_path / "results"))
    assert b'"WHERE"' in b"".join(content for _, content in files), "the manifest names the variable"
    for path, content in files:
        assert SECRET.encode() not in content and place.encode() not in content, path.name
    assert SECRET not in said and place not in said
