"""`python -m benchmarks [NAME…]`: the figures of docs/performance.md. Without a name, those of the core (about an hour)."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

CORE: dict[str, tuple[str, list[str]]] = {
    "startup": ("benchmarks.files", ["startup"]),
    "first-call": ("benchmarks.files", ["first_call"]),
    "calls": ("benchmarks.calls", []),
    "fullness": ("benchmarks.calls", ["--full", "0.1", "2", "--rounds", "2"]),
    "peers": ("benchmarks.peers", []),
    "peers-memory": ("benchmarks.peers", ["--memory"]),
    "steps": ("benchmarks.steps", []),
    "appends": ("benchmarks.files", ["appends"]),
    "memory": ("benchmarks.files", ["memory"]),
    "recovery": ("benchmarks.files", ["recovery"]),
    "leaderboard": ("benchmarks.leaderboard", []),
    "ending": ("benchmarks.ending", []),
}
"""Name -> module and arguments."""
PARTS = ("__main__", "calls", "files", "peers", "inspect_dialogues", "steps", "leaderboard", "ending")


def others() -> list[str]:
    """The benchmarks of single parts: the other modules of this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in (*PARTS, "__init__"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"core: {', '.join(CORE)}; parts: {', '.join(others())}"
    )
    names = parser.parse_args().names
    unknown = [name for name in names if name not in CORE and name not in others()]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join([*CORE, *others()])}")
    failed = 0
    for name in names or CORE:
        module, arguments = CORE.get(name, (f"benchmarks.{name}", []))
        print(f"== {name}: python -m {' '.join([module, *arguments])}", flush=True)
        began = time.perf_counter()
        failed += subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode != 0
        print(f"   ({time.perf_counter() - began:.0f} s)\n", flush=True)
    if not names:
        print(f"Benchmarks of single parts: python -m benchmarks {' | '.join(others())}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
