"""The Python API: `run` plays, `open` reads, and a `RunView` gives tables, rankings, comparisons and records (docs/api.md)."""
