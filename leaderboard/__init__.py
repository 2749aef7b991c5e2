"""Leaderboard of the strategist harness: views of runs, for the viewer and for a static page."""
