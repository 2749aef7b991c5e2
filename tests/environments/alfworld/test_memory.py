"""Ten thousand episodes leave nothing behind."""

from __future__ import annotations

import subprocess
import sys

from tests.shared_data import ROOT

PROGRAM = """
import gc, sys
from random import Random
from pathlib import Path
from environments import make
from environments.base import Action

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

environment = make("alfworld")
tasks = environment.tasks("builtin-test-small")[:100]  # more than the 64 games that are kept
random = Random(0)
for number in range(10_000):
    # a hundred games in blocks, so that games are made anew now and then, but not at every episode
    play = environment.reset(tasks[number // 25 % len(tasks)], number)
    for _ in range(8):
        if play.done:
            break
        play.step(0, environment.baselines["expert" if number % 2 else "random"].act(play, 0, random))
    play.progress()
    if number in (2_500, 9_999):
        gc.collect()
        print(resident())
"""


def test_memory_stays_flat_over_ten_thousand_episodes() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    after_some, after_all = map(int, run.stdout.split())
    assert after_all - after_some < 4_000_000
