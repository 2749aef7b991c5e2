"""Data in and out: downloads and imports of published data, runs in the formats of others, live logs."""
