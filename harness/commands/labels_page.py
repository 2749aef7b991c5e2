"""`harness labels page`: a small server on this machine alone, with the page on which a person labels. The address holds a token,
and only this machine's names for itself are answered, so that no other page in the browser can read or write labels."""

from __future__ import annotations

import hmac
import json
import secrets
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from harness.base.errors import BadInput
from harness.judging.labels.material import checked, rubric, shown
from harness.judging.labels.page import page_text
from harness.results.labels import Label, Sample, append_labels, read_labels

LARGEST = 10_000
"""Bytes of one answer."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


class LabelServer(ThreadingHTTPServer):
    """Serves the page and takes labels."""

    daemon_threads = True

    def __init__(self, run: Path, sample: Sample, port: int = 0) -> None:
        """Listen on 127.0.0.1. Raises `BadInput` where the port is taken."""
        self.run, self.sample, self.token = run, sample, secrets.token_urlsafe(16)
        self.items = shown(run, sample)
        self.by_item = {item["item"]: item for item in self.items}
        self.episodes = {item.item: item.episode_id for item in sample.items}
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise BadInput(f"--port {port} cannot be used: {error.strerror}") from error
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"

    def page(self) -> bytes:
        """The page with the labels given so far."""
        given = {
            _key(label.item, label.seat, label.turn, label.dimension, label.annotator): label.value
            for label in read_labels(self.run)
        }
        return page_text(self.items, rubric(self.sample), self.token, given).encode("utf-8")

    def take(self, answer: dict[str, Any]) -> None:
        """Store one answer. Raises `BadInput` or `ValueError` for one that is none."""
        label = Label(
            **answer,
            episode_id=self.episodes.get(str(answer.get("item")), ""),
            labelled_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        append_labels(self.run, [checked(label, self.by_item)])


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not self._ours(parse_qs(url.query).get("token", [""])[0]):
            return self._answer(403, b"Open the whole address that the command printed.")
        return self._answer(200, self.server.page(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        if not self._ours(self.headers.get("X-Token", "")):
            return self._answer(403, b"Open the page again by the address that the command printed.")
        try:
            length = int(self.headers.get("Content-Length", "0"))
            if not 0 < length <= LARGEST:
                raise ValueError("an answer of such a length is none")
            self.server.take(json.loads(self.rfile.read(length)))
        except (BadInput, ValueError, TypeError) as error:
            return self._answer(400, f"Not saved: {str(error).splitlines()[0]}".encode())
        except OSError as error:
            return self._answer(500, f"Not saved: {error.strerror}".encode())
        return self._answer(200, b"saved")

    def _ours(self, token: str) -> bool:
        same = hmac.compare_digest(token.encode(), self.server.token.encode())
        return same and self.headers.get("Host") in self.server.hosts

    def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address holds the token."""


def _key(*parts: object) -> str:
    """The key of a label in the page; as JavaScript joins it, null is nothing."""
    return "|".join("" if part is None else str(part) for part in parts)
