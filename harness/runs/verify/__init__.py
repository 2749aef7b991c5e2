"""Verifying a run that somebody sent: its actions are done again in the worlds, its prompts are made again, and its recorded
answers are read again. Nothing is asked and nothing is written into the run."""
