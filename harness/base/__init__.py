"""Foundations that use no other room: errors, seeds, the registry of parts, options, JSON and YAML text, money, deadlines, safe
files."""
