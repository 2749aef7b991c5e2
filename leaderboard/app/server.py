"""The app that `harness viewer` has Streamlit serve: the pages of `main.py`, behind the guard."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware

from harness.base.web_guard import addresses_of
from leaderboard.app.ahead import reading_ahead
from leaderboard.app.guard import ViewerGuard, content_policy


def _names() -> list[str]:
    """The names beside this machine's own under which the viewer is asked for: those whose pages may connect to it."""
    return [urlsplit(origin).netloc for origin in st.get_option("server.corsAllowedOrigins")]


app = st.App(
    Path(__file__).with_name("main.py"),
    lifespan=reading_ahead,
    middleware=[
        Middleware(
            ViewerGuard,
            allowed=addresses_of(_names(), int(st.get_option("server.port"))),
            policy=content_policy(Path(st.__file__).with_name("static") / "index.html"),
        )
    ],
)
