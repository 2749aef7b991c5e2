"""The judges' report cards: the evidence in a run's records, and what it says about each judge."""
