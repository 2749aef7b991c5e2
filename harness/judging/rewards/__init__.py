"""Process rewards: what single strategies were worth, by several methods."""
