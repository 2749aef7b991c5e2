"""Failures of calls: the short names, the meaning of a refusal, the waits."""
