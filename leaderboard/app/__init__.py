"""The viewer (Streamlit): draws the tables of `leaderboard`, computes nothing itself. `harness viewer` serves it.

Whatever comes from records (names, tasks, what agents and judges wrote) is shown through `pieces`, which escapes it;
none of Streamlit's elements that read Markdown ever gets such a text.
"""

LABELS = "--labels"
"""Argument of the app: show from the start what people's labels say."""
