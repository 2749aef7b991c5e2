"""What goes along with requests to an address: headers, query, certificates; and what must not."""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agents.models import make_model, transport
from harness.base.errors import EpisodeError
from tests.agents.models.conftest import ask, complete, with_model
from tests.servers.anthropic_server import AnthropicServer
from tests.servers.openai_server import OpenAIServer, completion
from tests.servers.wire import Response


def config(server: Any, **more: Any) -> dict[str, Any]:
    provider = "anthropic" if isinstance(server, AnthropicServer) else "openai"
    return {"provider": provider, "model": "local", "base_url": server.url, "retries": 0, **more}


def listening(kind: Any, paths: list[str], said: str = "") -> Any:
    """A server of that kind that notes the paths it is asked for; it answers with an error where something is `said`."""

    class Server(kind):  # type: ignore[misc]
        def _respond(self, method: str, path: str, *more: Any) -> Response:
            paths.append(path)
            if said:
                return Response({"error": {"message": said}}, 418)
            answer: Response = super()._respond(method, path.partition("?")[0], *more)
            return answer

    return Server()


@pytest.mark.parametrize("kind", [OpenAIServer, AnthropicServer])
def test_headers_and_query_go_along_and_secrets_come_from_the_environment(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY", "very-secret-value")
    more = {"headers": {"x-team": "blue", "api-key": {"env": "GATEWAY"}}, "query": {"api-version": "2026-01-01"}}
    paths: list[str] = []
    with listening(kind, paths) as server:
        complete(config(server, **more), ask())
        headers = server.headers[-1]
    assert headers["x-team"] == "blue" and headers["api-key"] == "very-secret-value"
    assert "authorization" not in headers, "the key is in the header that the config names"
    assert paths[-1].endswith("?api-version=2026-01-01")


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY", raising=False)
    said = "GATEWAY is not set; it has to hold `headers: api-key`"
    with OpenAIServer() as server, pytest.raises(EpisodeError, match=said) as caught:
        complete(config(server, headers={"api-key": {"env": "GATEWAY"}}), ask())
    assert caught.value.reason == "bad-key"


def test_no_text_shows_a_secret_of_headers_or_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY", "very/secret value")
    more = {"headers": {"x-gateway-token": {"env": "GATEWAY"}}, "query": {"sig": {"env": "GATEWAY"}}}
    said = "very/secret value, very%2Fsecret%20value and very/secret+value are wrong"
    with listening(OpenAIServer, [], said) as server, pytest.raises(EpisodeError) as caught:
        complete(config(server, **more), ask())
    assert "secret" not in caught.value.message and "[key], [key] and [key] are wrong" in caught.value.message


def test_variables_that_a_library_reads_by_itself_go_to_its_maker_s_address_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-planted: one")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-planted: one")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "planted-token")
    monkeypatch.setenv("OPENAI_ORG_ID", "planted-organization")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "planted-project")
    for kind in (OpenAIServer, AnthropicServer):
        with kind() as server:
            complete(config(server), ask())
            assert "planted" not in json.dumps(server.headers[-1])

    async def headers(model: Any) -> Any:
        return dict(model._client._sdk.get().default_headers)

    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    sent = with_model({"provider": "openai", "model": "m"}, headers)
    assert sent["OpenAI-Organization"] == "planted-organization" and sent["x-planted"] == "one"


def test_a_key_of_the_maker_does_not_go_to_a_gateway_whose_header_carries_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-only")
    monkeypatch.setenv("AZURE", "azure-key")
    url = "https://x.openai.azure.com/openai/deployments/mine"
    model: Any = make_model(
        "m", {"provider": "openai", "model": "mine", "base_url": url, "headers": {"api-key": {"env": "AZURE"}}}
    )
    assert model._client.secret is None and not model._client.needs_key


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-made certificate of 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "own.pem", folder / "own.key"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key


@pytest.fixture
def encrypted(certificate: tuple[Path, Path], tmp_path: Path) -> Any:
    """The address of an endpoint on 127.0.0.1 that speaks TLS."""
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps(completion({"model": "local", "messages": []}, "fine")).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, certificate))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("by", ["ca", "variable", "nothing", "missing file"])
def test_a_certificate_of_one_s_own_is_trusted_where_it_is_named(
    by: str, encrypted: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    model = {"provider": "openai", "model": "local", "base_url": encrypted, "retries": 0}
    if by == "ca":
        model["ca"] = str(certificate[0])
    elif by == "variable":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    elif by == "missing file":
        model["ca"] = "/nowhere/ca.pem"
    if by in ("ca", "variable"):
        (reply,) = complete(model, ask())
        assert reply.text == "fine", "and no proxy stands between us and a local address"
        return
    with pytest.raises(EpisodeError) as caught:
        complete(model, ask())
    assert (caught.value.failure, caught.value.reason) == ("setup", "tls")
    assert ("nowhere" in caught.value.message) == (by == "missing file")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://no-such-host.invalid/v1", "dns"),
        ("http://127.0.0.1:9/v1", "connection-refused"),
    ],
)
def test_an_address_that_cannot_be_reached_says_why(url: str, name: str) -> None:
    with pytest.raises(EpisodeError) as caught:
        complete({"provider": "openai", "model": "m", "base_url": url, "retries": 0, "api_key_env": "PATH"}, ask())
    assert (caught.value.failure, caught.value.reason) == ("setup", name)


def test_https_at_a_port_without_it_is_a_matter_of_the_set_up() -> None:
    with OpenAIServer() as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(EpisodeError) as caught:
            complete(config(server, base_url=url, deadlines={"connect": 0.3}), ask())
    assert (caught.value.failure, caught.value.reason) == ("setup", "tls")


def test_the_names_at_an_endpoint_and_whether_v1_answers_can_be_asked() -> None:
    with OpenAIServer() as server:

        async def use(model: Any) -> Any:
            return await model.probe_models(), await model.answers_at_v1()

        assert with_model(config(server), use) == (["local"], False)
        assert with_model(config(server, base_url=server.root), use)[1] is True
        gone = config(server)
    assert with_model(gone, use) == (None, False)


def test_the_usual_certificates_are_read_once_and_again_where_others_are_named() -> None:
    """Reading them costs 20 ms, for every model and every event loop."""
    usual = transport._usual_certificates
    one = usual(True, None, None)
    assert usual(True, None, None) is one and usual(True, "/etc/other.pem", None) is not one
    assert one.verify_mode == ssl.CERT_REQUIRED and one.check_hostname
