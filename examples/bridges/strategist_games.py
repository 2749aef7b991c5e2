"""What verifiers' commands import by name: `PYTHONPATH=examples/bridges vf-eval strategist-games …` (docs/bridges.md)."""

from harness.bridges.verifiers import GameEnv, GameTaskset

__all__ = ["GameEnv", "GameTaskset"]
