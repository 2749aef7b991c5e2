"""The sentences of `harness check`: the pooled verdict first, what could have been seen, what is known of the baseline's luck,
and a sentence for each cell."""

from __future__ import annotations

from harness.base.counts import counted, is_or_are
from harness.compare.doubts import DOUBT, as_crossed, crossed_words
from harness.compare.regression import CellCheck, Check
from harness.statistics import GateResult

MARKS = {"pass": "✅", "regressed": "❌", "too few": "⚠️"}
SHOWN_CELLS = 12
"""Most cells that are shown as an explanation of a verdict."""
LOOKS = (
    "It holds at every look: ask as often as you like while the candidate grows, and stop as soon as it is decided. A group of "
    "tasks counts once, when all of it is played."
)
FLOOR = (
    "Its baseline lies on the floor, from where nothing can drop: this cell guards nothing, leave it out of the gate's "
    "matrix."
)


def verdict_lines(check: Check) -> list[str]:
    """Three lines: the verdict on all cells, the drop that would have been seen, and the luck of the baseline; behind them why
    intervals may be too narrow, where there is a reason."""
    lines = [f"{MARKS[check.verdict]} {_verdict(check)}", power_sentence(check), luck_sentence(check)]
    return [*lines, *doubt_lines(check)]


def doubt_lines(check: Check) -> list[str]:
    """Say why intervals may be too narrow, once for all cells that share the reason."""
    cells: dict[str, list[str]] = {}
    for cell in (check.pooled, *check.cells):
        if cell.doubt:
            cells.setdefault(cell.doubt, []).append(cell.cell)
    everywhere = len({cell.cell for cell in (check.pooled, *check.cells)})
    lines = []
    for note, names in cells.items():
        where = f"{', '.join(names)}: " if len(set(names)) < everywhere else ""
        said = note if where else f"{note[0].upper()}{note[1:]}"
        lines.append(f"{DOUBT} {where}{said}: the interval of the difference may be too narrow.")
    return lines


def explaining(check: Check) -> list[CellCheck]:
    """The cells behind a verdict that is not *pass*, the largest loss first: those that regressed or speak against the candidate,
    else those that lie lower than their baseline or lack outcomes."""
    if check.verdict == "pass":
        return []
    ordered = sorted(check.cells, key=lambda cell: cell.result.difference.mean)
    loud = [cell for cell in ordered if cell.verdict == "regressed" or cell.result.doubtful]
    return loud or [cell for cell in ordered if cell.result.difference.mean < 0 or cell.result.missing]


def _verdict(check: Check) -> str:
    pooled = check.pooled.result
    told = sentence(pooled)
    if len(check.cells) == 1:
        return told
    lower = sum(cell.result.difference.mean < 0 for cell in check.cells)
    told_lower = f" {lower} of {len(check.cells)} cells {is_or_are(lower)} lower than in the baseline." if lower else ""
    if check.verdict == pooled.verdict:
        return told.replace(": ", f": {len(check.cells)} cells together, ", 1) + told_lower
    names = [cell for cell in explaining(check) if cell.verdict == check.verdict or cell.result.doubtful]
    if check.verdict == "regressed":
        said = f"Regressed by more than {check.max_drop:g} in {len(names)} of {len(check.cells)} cells"
    else:
        said = (
            f"Too few episodes to tell: {len(names)} of {len(check.cells)} cells would speak against the candidate, were they "
            "the only ones"
        )
    return f"{said}. All cells together: {_seen(pooled)}.{told_lower}"


def sentence(result: GateResult) -> str:
    """The verdict on one cell, or on all together, with its interval; amounts are shares of the metric's range."""
    seen, allowed = _seen(result), f"{result.max_drop:g}"
    if result.verdict == "regressed":
        return f"Regressed by more than {allowed}: {seen}."
    if result.verdict == "pass":
        within = f" A drop is shown, one that --max-drop {allowed} allows." if result.dropped else ""
        return f"Pass, no drop of more than {allowed}: {seen}.{within}"
    shown = f" A drop is shown, but not that it is more than {allowed}." if result.dropped else ""
    return f"Too few episodes to tell: {seen}.{shown} {_needed(result)}"


def cell_sentence(cell: CellCheck) -> str:
    """The verdict on one cell, with the drop it would have shown."""
    could = "" if cell.result.anytime else f" {_could(cell.result)}"
    floor = f" {FLOOR}" if cell.baseline == 0 and cell.verdict == "too few" else ""
    return f"{sentence(cell.result)}{could}{floor}"


def _seen(result: GateResult) -> str:
    d = result.difference
    seen = f"difference {d.mean:+.3f}, {100 * result.confidence:.3g} % interval {d.low:+.3f} to {d.high:+.3f}"
    parts = ", ".join(
        [counted(d.n, "pair"), counted(d.clusters, "group of tasks", "groups of tasks"), *crossed_words(d.crossed)]
    )
    return f"{seen}, {parts}" + (f", {counted(result.missing, 'pair')} without a value" if result.missing else "")


def _needed(result: GateResult) -> str:
    """The number of episodes on which an equal candidate passes."""
    if result.anytime:
        return "Play on, and look again."
    if result.difference.clusters < 2:
        return "Nothing can be told from fewer than 2 groups of tasks."
    if not result.max_drop:
        return "With --max-drop 0 only a gain that is shown passes, however many episodes there are."
    if result.episodes_needed is None:
        return f"No number of episodes will do for {result.max_drop:g}."
    more = as_crossed(result.difference.crossed).replace(", if", " and")
    episodes = counted(result.episodes_needed, "episode")
    return f"About {episodes} per arm would do for {result.max_drop:g}, if nothing was lost{more}."


def _could(result: GateResult) -> str:
    if result.anytime:
        return LOOKS
    if result.visible_drop > 1:
        return "No drop would have been seen reliably."
    return f"A drop of {_drops(result)} would have been seen with a chance of 80 %."


def _drops(result: GateResult) -> str:
    """`0.041 (0.052 where whole groups of tasks fail)`."""
    spread, groups = f"{result.visible_drop:.3f}", f"{result.visible_in_groups:.3f}"
    if groups == spread:
        return f"{spread} (in single episodes or in whole groups of tasks)"
    return f"{spread} ({groups if result.visible_in_groups <= 1 else 'none'} where whole groups of tasks fail)"


def power_sentence(check: Check) -> str:
    """The smallest drop that would have been called, in all cells together and in a single one."""
    if len(check.cells) == 1 or check.anytime:
        return _could(check.pooled.result)
    together = _could(check.pooled.result).replace(" would have", " in all cells together would have", 1)
    single = [cell.result.visible_drop for cell in check.cells if cell.result.visible_drop <= 1]
    if not single:
        return f"{together} None would have been in a single cell.{_floors(check)}"
    least, most = f"{min(single):.3f}", f"{max(single):.3f}"
    blind = len(check.cells) - len(single)
    missed = f"; in {blind} of the cells none would have been" if blind else ""
    return f"{together} In a single cell: {least if least == most else f'{least} to {most}'}{missed}.{_floors(check)}"


def _floors(check: Check) -> str:
    """The number of cells that cannot drop."""
    number = sum(cell.baseline == 0 for cell in check.cells)
    if not number:
        return ""
    if number == 1:
        return " 1 of the cells lies on the floor and guards nothing: leave it out of the gate's matrix."
    return f" {number} of the cells lie on the floor and guard nothing: leave them out of the gate's matrix."


def luck_sentence(check: Check) -> str:
    """The baseline's own luck: measured by several runs, or unknown."""
    if check.baseline_runs == 1:
        return (
            "The baseline is one run, which cannot know its own luck: false alarms are 1 in 20 on average over baselines, but up "
            "to every second check of a lucky one. --make-baseline RUN RUN RUN, of other seeds, measures it."
        )
    return (
        f"The baseline is {check.baseline_runs} runs: each end of the interval leaves {check.pooled.result.allowance:.3f} for "
        "its luck, so that false alarms are at most 1 in 20 for 99 of 100 such baselines."
    )
