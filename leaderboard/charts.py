"""Charts as plotly figures made from the tables of this package, each with its description in words.

Colours and shapes are those of `leaderboard.marks`. Texts come from
records: plotly reads a few HTML tags and entities in labels, and `plain` takes their meaning away.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from harness.base.counts import counted
from leaderboard.learning import LearningCurve, curve_text
from leaderboard.marks import Mark, Marks
from leaderboard.page.drawings import fitted
from leaderboard.page.markup import plain as visible

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
BETTER, WORSE, NEUTRAL = "#0072B2", "#D55E00", "#8A8F98"
LABEL = 60
"""Characters of a name that are drawn; the table beside a chart has the whole of it."""


@dataclass(frozen=True, slots=True)
class Chart:
    figure: go.Figure
    text: str
    """Description in words."""


def plain(text: object) -> str:
    """A text that plotly shows as it is: no tag, no entity, no formula, no template."""
    shown = visible(" ".join(str(text).splitlines()))
    shown = shown if len(shown) <= LABEL else shown[: LABEL - 1] + "…"
    return html.escape(shown, quote=False).replace("$", "&#36;").replace("%{", "%&#123;")


def difference_histogram(bins: pd.DataFrame, a: str, b: str, metric: str) -> Chart:
    """`leaderboard.duel.distribution`: how many pairs of episodes lie where; right of 0, b is better."""
    middle = (bins["low"] + bins["high"]) / 2
    colours = [_side(low, high) for low, high in zip(bins["low"], bins["high"], strict=True)]
    width = float((bins["high"] - bins["low"]).iloc[0]) if len(bins) else 1.0
    figure = go.Figure(
        go.Bar(
            x=middle,
            y=bins["pairs"],
            width=width * 0.92,
            marker={"color": colours, "pattern": {"shape": [_hatch(colour) for colour in colours]}},
            hovertemplate="%{y} pairs around %{x:.2f}<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"width": 1.5, "color": NEUTRAL, "dash": "dash"})
    _layout(figure, f"{plain(metric)}: B − A", "pairs of episodes", height=260)
    figure.update_layout(showlegend=False)
    better = int(bins.loc[bins["low"] >= 0, "pairs"].sum())
    worse = int(bins.loc[bins["high"] <= 0, "pairs"].sum())
    between = int(bins["pairs"].sum()) - better - worse
    text = (
        f"Histogram of the difference in {metric} per pair of episodes, {b} minus {a}: {counted(better, 'pair')} above 0, "
        f"{worse} below, {between} around 0."
    )
    return Chart(figure, text)


def _side(low: float, high: float) -> str:
    return NEUTRAL if low < 0 < high else BETTER if low >= 0 else WORSE


def _hatch(colour: str) -> str:
    return {WORSE: "/", BETTER: "", NEUTRAL: "."}[colour]


def cost_frontier(
    table: pd.DataFrame,
    cost: str,
    metric: str,
    bounds: tuple[float, float],
    names: Sequence[str],
    marks: Sequence[Mark],
    hollow: Sequence[bool],
) -> Chart:
    """`leaderboard.costs.cost_table` of one place: goal against the chosen cost. A stepped line joins the frontier's marks, which
    have rings. `names`, `marks` and `hollow` (drawn open): one per row. `bounds`: the range of the metric; the axis is fitted to
    the goals within it."""
    figure = go.Figure()
    rows: list[dict[str, Any]] = [
        {str(key): value for key, value in row.items()} | {"name": name, "mark": mark, "open": open_}
        for row, name, mark, open_ in zip(table.to_dict("records"), names, marks, hollow, strict=True)
        if _known(row["cost"])
    ]
    front = [row for row in rows if row["pareto"] is True]
    if front:
        figure.add_scatter(
            x=[row["cost"] for row in front],
            y=[row["goal"] for row in front],
            mode="lines+markers",
            line={"shape": "hv", "dash": "dot", "color": NEUTRAL, "width": 1.5},
            marker={"symbol": "circle-open", "size": 22, "color": NEUTRAL},
            name="no mean is as high for less",
            hoverinfo="skip",
        )
    for row in rows:
        figure.add_scatter(
            x=[row["cost"]],
            y=[row["goal"]],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [_reach(row["high"], row["goal"])],
                "arrayminus": [_reach(row["goal"], row["low"])],
                "thickness": 1.2,
                "width": 3,
            },
            mode="markers",
            name=plain(row["name"]),
            marker={
                "size": 12,
                "color": row["mark"].hue,
                "symbol": row["mark"].form + ("-open" if row["open"] else ""),
                "line": {"width": 2},
            },
            hovertemplate="%{y:.2f} at %{x:,.4~g}",
        )
    _layout(figure, plain(cost), plain(metric), height=380)
    low, high = fitted([row[key] for row in rows for key in ("goal", "low", "high") if _known(row[key])], *bounds)
    edge = (high - low) * 0.05
    figure.update_yaxes(range=[low - edge, high + edge])
    figure.update_xaxes(rangemode="tozero")
    best = ", ".join(f"{row['name']} ({row['goal']:.2f} at {row['cost']:,.4g})" for row in front)
    return Chart(figure, f"{metric} against {cost}, {counted(len(rows), 'arm')}. On the frontier: {best or 'none'}.")


def _reach(high: Any, low: Any) -> float:
    if pd.isna(high) or pd.isna(low):
        return 0.0
    return float(high) - float(low)


@dataclass(frozen=True, slots=True)
class Series:
    """Data of one line in a line chart."""

    name: str
    table: pd.DataFrame
    marks: Sequence[Mark]
    """The mark of each row's arm; one for all rows where the line is one arm's. The line has the last one's colour."""
    apart: bool = False
    """Drawn with dashes and open marks: of the same arms, on other tasks."""


def lines(series: Sequence[Series], x: str, y: str, x_title: str, y_title: str) -> Chart:
    """Draw a line chart of series whose tables have the columns `x` and `y`, and `low` and `high` where there is an interval."""
    figure = go.Figure()
    said = []
    for each in series:
        name, table = each.name, each.table
        marks = list(each.marks) * (len(table) if len(each.marks) == 1 else 1)
        colour = each.marks[-1].hue
        figure.add_scatter(
            x=table[x],
            y=table[y],
            error_y=_whiskers(table, y, colour),
            mode="lines+markers",
            name=plain(name),
            line={"color": colour, "dash": DASHES[int(each.apart)], "width": 2},
            marker={
                "symbol": [mark.form + ("-open" if each.apart else "") for mark in marks],
                "color": [mark.hue for mark in marks],
                "size": 9,
            },
            hovertemplate="%{x}: %{y:.3f}",
        )
        known = table[table[y].notna()]
        if len(known):
            said.append(
                f"{name}: {known[y].iloc[0]:.3g} at {known[x].iloc[0]} to {known[y].iloc[-1]:.3g} at {known[x].iloc[-1]}"
            )
    _layout(figure, x_title, y_title, height=320)
    most = max((float(each.table[x].max()) for each in series if len(each.table)), default=0.0)
    if most <= 20:
        figure.update_xaxes(dtick=1)  # iterations and steps are whole numbers
    return Chart(figure, f"{y_title} by {x_title}. " + "; ".join(said) + ("." if said else ""))


def learning(curve: LearningCurve, marks: Marks) -> Chart:
    """Goal on held-out tasks by iteration: a thin line for each training, a thick one for their mean, dashes in the colours of
    the strategists that were not trained."""
    marks = marks.and_of(sorted(curve.beside))
    figure = go.Figure()
    several = len(curve.trainings) > 1
    for name, points in curve.trainings.items() if several else ():
        figure.add_scatter(
            x=[point.iteration for point in points],
            y=[point.goal for point in points],
            mode="lines",
            name=plain(name),
            line={"color": BETTER, "width": 1.2},
            opacity=0.7,
            hovertemplate="%{x}: %{y:.3f}",
        )
    table = pd.DataFrame([asdict(point) for point in curve.mean], columns=["iteration", "goal", "low", "high"])
    figure.add_scatter(
        x=table["iteration"],
        y=table["goal"],
        error_y=None if several else _whiskers(table, "goal", BETTER),
        mode="lines+markers",
        name="mean of the trainings" if several else plain(next(iter(curve.trainings))),
        line={"color": BETTER, "width": 3},
        marker={"size": 9},
        hovertemplate="%{x}: %{y:.3f}",
    )
    for name, goal in curve.beside.items():
        figure.add_scatter(
            x=[0, curve.iterations],
            y=[goal, goal],
            mode="lines",
            name=plain(name),
            line={
                "color": marks.of(name).hue,
                "dash": DASHES[1 + list(curve.beside).index(name) % (len(DASHES) - 1)],
                "width": 1.5,
            },
            hovertemplate="%{y:.3f}",
        )
    _layout(figure, "iteration of the training", f"mean {curve.metric} on held-out tasks", height=320)
    if curve.iterations <= 20:
        figure.update_xaxes(dtick=1)
    return Chart(figure, f"{curve.title}. {curve_text(curve)}")


def _whiskers(table: pd.DataFrame, y: str, colour: str) -> dict[str, Any] | None:
    if "low" not in table or table["low"].isna().all():
        return None
    above = [_reach(high, value) for high, value in zip(table["high"], table[y], strict=True)]
    below = [_reach(value, low) for low, value in zip(table["low"], table[y], strict=True)]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1, "color": colour}


def histograms(series: Sequence[Series], x_title: str) -> Chart:
    """Counts per bin (columns low, high, count), one outline each."""
    figure = go.Figure()
    said = []
    for number, each in enumerate(series):
        table = each.table
        figure.add_scatter(
            x=[*table["low"], *table["high"].tail(1)],
            y=[*table["count"], *table["count"].tail(1)],
            mode="lines",
            line={"shape": "hv", "color": each.marks[-1].hue, "dash": DASHES[number % len(DASHES)], "width": 2},
            name=plain(each.name),
            hovertemplate="%{y} from %{x:.2f}",
        )
        said.append(f"{each.name}: {int(table['count'].sum())} strategies")
    _layout(figure, x_title, "strategies", height=280)
    return Chart(figure, f"Histogram of {x_title}. " + "; ".join(said) + ".")


def _layout(figure: go.Figure, x_title: str, y_title: str, height: int) -> None:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis_title=x_title,
        yaxis_title=y_title,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hoverlabel={"namelength": LABEL},
    )


def _known(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


def names_of(rows: Iterable[Mapping[str, Any]], several_runs: bool) -> list[str]:
    """Names of arms in a chart: strategist and actor, and the run where there are several."""
    return [
        (str(row["actor"]) if row.get("scripted") else f"{row['strategist']} + {row['actor']}")
        + (f" ({row['run']})" if several_runs else "")
        for row in rows
    ]
