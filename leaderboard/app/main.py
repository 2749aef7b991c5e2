"""The viewer's entry: its pages. `harness viewer` has Streamlit run this file."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
import streamlit as st
from PIL import Image


def page(name: str) -> Callable[[], None]:
    """The page of a module in `leaderboard.app.views`, imported when it is first drawn: the first page needs no other."""

    def render() -> None:
        import_module(f"leaderboard.app.views.{name}").render()

    return render


# The page's icon, three bars, is drawn here: one given by name would be fetched from a web font's server.
ICON = np.full((32, 32, 3), 255, dtype=np.uint8)
for left, top in ((3, 14), (12, 4), (21, 20)):
    ICON[top:30, left : left + 8] = (0, 96, 168)

st.set_page_config(page_title="Strategist leaderboard", page_icon=Image.fromarray(ICON), layout="wide")
st.navigation(
    [
        st.Page(page("answer"), title="Answer", url_path="answer", icon=":material/lightbulb:", default=True),
        st.Page(page("ranking"), title="Leaderboard", url_path="leaderboard", icon=":material/leaderboard:"),
        st.Page(page("matrix"), title="Matrix", url_path="matrix", icon=":material/grid_on:"),
        st.Page(page("compare"), title="Compare", url_path="compare", icon=":material/compare_arrows:"),
        st.Page(page("episodes"), title="Episodes", url_path="episodes", icon=":material/forum:"),
        st.Page(page("training"), title="Training", url_path="training", icon=":material/trending_up:"),
        st.Page(page("cost"), title="Cost", url_path="cost", icon=":material/payments:"),
        st.Page(page("judges"), title="Judges", url_path="judges", icon=":material/gavel:"),
    ]
).run()
