"""The viewer's guard: whom it answers is `harness.base.web_guard`'s; here are its pages' policies."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from harness.base.web_guard import App, Guard

_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
REFUSAL = "This viewer answers only to the address that `harness viewer` printed (see its --host).\n"


def content_policy(index: Path) -> str:
    """The content policy for pages whose frame is that HTML file: nothing from elsewhere, and of inline scripts only
    those that stand in it."""
    scripts = [
        f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE.findall(index.read_bytes())
    ]
    return (
        f"default-src 'self'; script-src 'self'{''.join(scripts)}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-src 'self'; "
        "frame-ancestors 'none'; base-uri 'self'; form-action 'none'; object-src 'none'"
    )


class ViewerGuard(Guard):
    """The guard with the viewer's policies on every answer."""

    def __init__(self, app: App, allowed: frozenset[str], policy: str) -> None:
        """`allowed`: see `addresses_of`. `policy`: see `content_policy`."""
        headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-frame-options", b"DENY"),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]
        super().__init__(app, allowed, REFUSAL, headers)
