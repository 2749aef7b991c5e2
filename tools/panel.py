"""`python -m tools.panel`: pictures of the live panel at 100 and 160 columns (docs/images/panel-*.svg), taken while the local
model plays twelve games of the quick-start: two to three minutes on two idle cores."""

from __future__ import annotations

import io
import re
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console

from harness.commands.run_experiment import read_experiment
from harness.runs.panel import RunPanel
from harness.runs.progress import Progress
from harness.runs.run import Run, execute

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTHS = (100, 160)
PLAYED = 0.65
"""The share of the episodes after which the pictures are taken."""
FONT_FACE = re.compile(r"\s*@font-face \{[^}]*\}")
"""Fonts that a reader's browser would fetch from elsewhere."""


def take(progress: Progress, over: threading.Event) -> None:
    """Wait until enough has been played, and draw the panel as it stands."""
    while (standing := progress.standing).newest is None or standing.left > (1 - PLAYED) * standing.planned:
        if over.is_set():
            raise RuntimeError("the run ended before a picture was taken")
        time.sleep(0.2)
    for width in WIDTHS:
        console = Console(record=True, width=width, height=30, force_terminal=True, file=io.StringIO())
        console.print(RunPanel(standing, standing.title, progress.parts))
        picture = FONT_FACE.sub("", console.export_svg(title="harness run"))
        (IMAGES / f"panel-{width}.svg").write_text(picture, encoding="utf-8")


def main() -> None:
    experiment = read_experiment(None, ["environments.0.tasks=12"])
    progress = Progress(Console(file=io.StringIO(), force_terminal=True, width=100, height=30), title="quickstart")
    over = threading.Event()
    with tempfile.TemporaryDirectory() as temporary:
        camera = threading.Thread(target=take, args=(progress, over))
        camera.start()
        try:
            with Run(experiment, Path(temporary) / "quickstart", check=False, warns=False) as run:
                execute(run, progress)
        finally:
            over.set()
            camera.join()


if __name__ == "__main__":
    main()
