"""Runs in the formats of others: a Hugging Face data set (Parquet), EPO's ShareGPT file, csv; and sotopia's EpisodeLog,
read."""
