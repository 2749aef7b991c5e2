"""Headers, query and trusted certificates of every request to an address, as the config gives them. Values that are secrets are
read from the environment when they are needed."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agents.models.config import EndpointConfig, FromEnvironment, HttpConfig, RemoteConfig
from agents.models.errors.failures import CallFailed
from agents.models.secrets import SHORTEST_HIDDEN, Secret, key_from
from harness.base.patterns import pattern

_AUTHENTICATES = pattern(
    r"^(?:proxy-)?authori[sz]ation$|api[_-]?key$|^key$|subscription-key$|(?:auth|access|secret|id|"
    r"gateway|session|security)[_-]?token$|^token$|secret$|^cookie$",
    re.IGNORECASE,
)
_MAKERS = {"openai": "openai.com", "anthropic": "anthropic.com"}
"""Whose own address a client library's variables are meant for."""


@dataclass(frozen=True, slots=True)
class Access:
    """Headers and query of requests to one address."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    secrets: tuple[Secret, ...]
    """Secrets that must appear in no text."""

    @property
    def options(self) -> dict[str, Any]:
        """As client libraries take them."""
        return {"default_headers": dict(self.headers), "default_query": dict(self.query)}


def authenticates(config: RemoteConfig) -> bool:
    """True if headers or query carry the key, so that there need not be one in a variable of the provider's."""
    given = [*config.headers.items(), *config.query.items()]
    return any(_AUTHENTICATES.search(name) for name, _ in given) or any(
        isinstance(value, FromEnvironment) for value in config.query.values()
    )


def omits_key(config: EndpointConfig) -> bool:
    """True if the library's own header for the key must not be sent: another one carries it."""
    if not isinstance(config, RemoteConfig) or not authenticates(config):
        return False
    return all(name.lower() != "authorization" for name in config.headers)


def access_of(config: EndpointConfig) -> Access:
    """Additions of a model's config to its requests. Raises `CallFailed` naming a variable that is not set."""
    if not isinstance(config, RemoteConfig):
        return Access({}, {}, ())
    secrets: list[Secret] = []
    read = {
        part: {name: _value(part, name, value, secrets) for name, value in getattr(config, part).items()}
        for part in ("headers", "query")
    }
    return Access(read["headers"], read["query"], tuple(secrets))


def filled(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body with what the environment holds in the place of each `{env: NAME}`. Raises `CallFailed` naming a variable that is
    not set."""
    return {name: _filled(name, value, []) for name, value in body.items()}


def _filled(place: str, value: Any, secrets: list[Secret]) -> Any:
    if isinstance(value, list):
        return [_filled(place, part, secrets) for part in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {"env"} and isinstance(value["env"], str):
        return _value("extra_body", place, FromEnvironment(env=value["env"]), secrets)
    return {name: _filled(f"{place}.{name}", part, secrets) for name, part in value.items()}


def _value(part: str, name: str, value: str | FromEnvironment, secrets: list[Secret]) -> str:
    if isinstance(value, str):
        if _AUTHENTICATES.search(name):
            secrets.append(Secret(value))
        return value
    found = key_from(value.env)
    if found is None:
        said = f"the environment variable {value.env} is not set; it has to hold `{part}: {name}`"
        raise CallFailed(said, "bad-key", status=401)
    secrets.append(found)
    return found.reveal()


def secrets_of(config: EndpointConfig) -> tuple[Secret, ...]:
    """The secrets among a config's headers, query, body and address, as far as they are there."""
    found: list[Secret] = []
    with contextlib.suppress(CallFailed):
        found += access_of(config).secrets
    if isinstance(config, HttpConfig):
        with contextlib.suppress(CallFailed):
            _filled("", config.extra_body, found)
    if isinstance(config, RemoteConfig) and isinstance(config.base_url, FromEnvironment):
        url = os.environ.get(config.base_url.env, "").strip().rstrip("/")
        found += [Secret(part) for part in (url, *urlsplit(url).path.split("/")) if len(part) >= SHORTEST_HIDDEN]
    return tuple(found)


def without_variables(client: Any, library: str, base_url: str, access: Access) -> Any:
    """At another address than its maker's own, take from a client library's client what it has read from variables by
    itself (custom headers, organization, project). Returns the client."""
    host = urlsplit(base_url).hostname or ""
    maker = _MAKERS[library]
    if host != maker and not host.endswith(f".{maker}"):
        client._custom_headers = dict(access.headers)
        for name in ("organization", "project"):
            if hasattr(client, name):
                setattr(client, name, None)
    return client


def trust(config: EndpointConfig, base_url: str) -> ssl.SSLContext | None:
    """The certificates to trust: the system's (or $SSL_CERT_FILE's and $SSL_CERT_DIR's) and those of `ca`; None where nobody
    named any. Raises `CallFailed` for a file that cannot be read."""
    ca = config.ca if isinstance(config, RemoteConfig) else None
    named = ca or os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    if not named or not base_url.startswith("https:"):
        return None
    try:
        context = ssl.create_default_context()
        if ca:
            context.load_verify_locations(cafile=os.path.expanduser(ca))
        elif os.environ.get("SSL_CERT_FILE"):
            # Where it cannot be read, the library, which reads it separately, says nothing.
            context.load_verify_locations(cafile=os.environ["SSL_CERT_FILE"])
    except (OSError, ssl.SSLError) as error:
        problem = f"{'`ca`' if ca else '$SSL_CERT_FILE'}: {named} holds no certificates that can be read: {error}"
    else:
        return context
    raise CallFailed(problem, "tls")
