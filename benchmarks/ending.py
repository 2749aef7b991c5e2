"""What the end of a run costs, by the size of its plan: CPU seconds and memory from when its budget is used up (or it is
interrupted) to the prompt. Scripted episodes of two turns, 16 at once; the running ones end first, as they always do.

    python -m benchmarks.ending                       1,000 and 100,000 episodes planned, some 200 of them played
    python -m benchmarks.ending 1000 100000 1000000   with a million, too
    python -m benchmarks.ending --signal              ended by SIGINT instead of a budget
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.runs.runner import Stop

TASKS = 10
PLAYED_TOKENS = 100_000
"""The budget: some hundred episodes."""
CONFIG = """
name: ending
environments: [{{name: sotopia, split: builtin-test, tasks: {tasks}, options: {{max_turns: 2}}}}]
models: {{m: {{provider: scripted, function: "tests.harness.builders:speak"}}}}
actors: [m]
strategists: [vanilla]
repeats: {repeats}
limits: {{episodes_at_once: 16}}
"""


def used() -> dict[str, float]:
    """CPU seconds and peak MiB of this process, and the time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024, "at": time.time()}


def noting(note: Path, command: list[str]) -> int:
    """`harness …` in this process; what it had used when it was asked to end goes to `note`."""
    from harness.cli import main as harness

    drain = Stop.drain

    def noted(stop: Stop, reason: str) -> None:
        if not stop.asked:
            note.write_text(json.dumps(used()))
        drain(stop, reason)

    Stop.drain = noted  # type: ignore[assignment, method-assign]
    return harness(command)


def ended(episodes: int, by_signal: bool) -> dict[str, float]:
    """Plays until the run is ended; what it used from then to the prompt, and the peak before."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "run.yaml").write_text(CONFIG.format(tasks=TASKS, repeats=episodes // TASKS))
        command = ["run", str(home / "run.yaml"), "--results", str(home / "results")]
        if not by_signal:
            command += ["--max-tokens", str(PLAYED_TOKENS)]
        script = "import sys; from pathlib import Path; from benchmarks.ending import noting; "
        script += "sys.exit(noting(Path(sys.argv[1]), sys.argv[2:]))"
        with open(home / "out", "wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", script, str(home / "note"), *command], stdout=out, stderr=out
            )
            if by_signal:
                interrupt(process, home / "results")
            _, status, usage = os.wait4(process.pid, 0)
        now = time.time()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (4, 130):
            raise SystemExit((home / "out").read_text())
        before = json.loads((home / "note").read_text())
        return {
            "cpu": usage.ru_utime + usage.ru_stime - before["cpu"],
            "wall": now - before["at"],
            "before": before["mib"],
            "mib": usage.ru_maxrss / 1024 - before["mib"],
        }


def interrupt(process: subprocess.Popen[bytes], results: Path) -> None:
    """SIGINT once something was played. Raises `SystemExit` where nothing is within ten minutes."""
    for _ in range(6000):
        if any(path.stat().st_size for path in results.glob("*/episodes.jsonl")):
            process.send_signal(signal.SIGINT)
            return
        time.sleep(0.1)
    process.kill()
    raise SystemExit("no episode was played within ten minutes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("episodes", nargs="*", type=int, default=[1000, 100_000], help="how many are planned")
    parser.add_argument("--signal", action="store_true", help="end it by SIGINT instead of a budget")
    arguments = parser.parse_args()
    print("ending: from the end of a run's budget to the prompt" if not arguments.signal else "ending: by SIGINT")
    for episodes in arguments.episodes:
        found = ended(episodes, arguments.signal)
        print(
            f"  {episodes:9,d} episodes planned: {found['cpu']:6.2f} s CPU ({found['wall']:.2f} s), "
            f"{found['mib']:6.1f} MiB more than the {found['before']:.0f} MiB before",
            flush=True,
        )


if __name__ == "__main__":
    main()
