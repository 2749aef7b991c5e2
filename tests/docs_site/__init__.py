"""The documentation site: its pages, its navigation, its links."""
