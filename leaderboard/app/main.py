"""The viewer's entry: its pages. `harness viewer` has Streamlit run this file."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from leaderboard.app.views import answer, compare, cost, episodes, judges, matrix, ranking, training

# The page's icon, three bars, is drawn here: one given by name would be fetched from a web font's server.
ICON = np.full((32, 32, 3), 255, dtype=np.uint8)
for left, top in ((3, 14), (12, 4), (21, 20)):
    ICON[top:30, left : left + 8] = (0, 96, 168)

st.set_page_config(page_title="Strategist leaderboard", page_icon=Image.fromarray(ICON), layout="wide")
st.navigation(
    [
        st.Page(answer.render, title="Answer", url_path="answer", icon=":material/lightbulb:", default=True),
        st.Page(ranking.render, title="Leaderboard", url_path="leaderboard", icon=":material/leaderboard:"),
        st.Page(matrix.render, title="Matrix", url_path="matrix", icon=":material/grid_on:"),
        st.Page(compare.render, title="Compare", url_path="compare", icon=":material/compare_arrows:"),
        st.Page(episodes.render, title="Episodes", url_path="episodes", icon=":material/forum:"),
        st.Page(training.render, title="Training", url_path="training", icon=":material/trending_up:"),
        st.Page(cost.render, title="Cost", url_path="cost", icon=":material/payments:"),
        st.Page(judges.render, title="Judges", url_path="judges", icon=":material/gavel:"),
    ]
).run()
