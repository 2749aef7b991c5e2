"""A small real HTTP server on 127.0.0.1 that can break off, refuse, redirect and forget."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    """Path -> ETag header; absent = none is sent."""
    dates: dict[str, str] = field(default_factory=dict)
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    """Path -> after how many body bytes the coming answers break off."""
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """Path -> error statuses of the coming answers."""
    instead: dict[str, list[bytes]] = field(default_factory=dict)
    """Path -> bodies of the coming answers, sent in the file's place."""
    redirects: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    """Extra headers of every answer."""
    ranges: bool = True
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """(path, Range, If-Range) of every request."""


def _handler(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
            server.requests.append((self.path, wanted, condition))
            if server.statuses.get(self.path):
                self._head(server.statuses[self.path].pop(0), {"Content-Length": "0"})
            elif self.path in server.redirects:
                self._head(302, {"Location": server.redirects[self.path], "Content-Length": "0"})
            elif self.path not in server.files:
                self._head(404, {"Content-Length": "0"})
            else:
                self._send(wanted, condition)

        def _send(self, wanted: str | None, condition: str | None) -> None:
            coming = server.instead.get(self.path)
            body = coming.pop(0) if coming else server.files[self.path]
            current = {server.etags.get(self.path), server.dates.get(self.path)}
            start = 0
            if server.ranges and wanted and (condition is None or condition in current):
                found = re.fullmatch(r"bytes=(\d+)-", wanted)
                assert found
                start = int(found[1])
                if start >= len(body):
                    self._head(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
                    return
            headers = {"Content-Length": str(len(body) - start)}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self._head(206 if start else 200, headers)
            cuts = server.cut_after.get(self.path, [])
            if cuts:
                self.wfile.write(body[start : start + cuts.pop(0)])
                self.close_connection = True
            else:
                self.wfile.write(body[start:])

        def _head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for source, name in ((server.etags, "ETag"), (server.dates, "Last-Modified")):
                if self.path in source:
                    self.send_header(name, source[self.path])
            for key, value in (headers | server.headers).items():
                self.send_header(key, value)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler


@contextmanager
def file_server() -> Iterator[FileServer]:
    """The server, answering until the block ends."""
    state = FileServer()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    http.daemon_threads = True
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
