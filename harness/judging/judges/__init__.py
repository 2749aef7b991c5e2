"""Outcome judges: asking one, framing what it reads, its planted copies."""
