"""The pages of the Python API: which of `harness`'s names stand on which, in which order. Their texts are the docstrings."""

from __future__ import annotations

STUDY = {
    "Play and open": "run open",
    "What a run gives": "RunView Ranking Comparisons",
    "What is played": "Experiment",
    "Errors": "HarnessError BadInput Damaged Newer StoreFull EpisodeError",
}
PARTS = {
    "Strategist": "Strategist Situation Strategy OwnTurn Ask Answer Actor",
    "Environment": "Environment Game Play Task Metric Action ActionFormat ParsedAnswer Unreadable Event View StepResult "
    "Progress Outcome BaselineEntry Prompt",
    "Judge": "Judge Score",
    "Process reward": "ProcessReward Work StrategyReward",
    "Provider": "Provider ProviderOptions ChatRequest ChatReply Message",
    "Options of any part": "Options",
}
RECORDS = {
    "An episode": "EpisodeRecord SeatRecord TurnRecord CallRecord OutcomeRecord ErrorInfo",
    "Scores": "JudgementRecord ProcessRewardRecord",
}
"""Heading -> names of `harness`, in reading order."""
PAGES = {
    "api-study": ("Play and read, from Python", "[api.md](../api.md) shows how they are used.", STUDY),
    "api-parts": ("Classes to extend", "[The author's page](../author.md) shows one of each.", PARTS),
    "api-records": ("Records", "What a run keeps, one JSON object a line; `RunView.stream` gives them.", RECORDS),
}
"""Page -> (title, introduction, names)."""


def api_page(name: str) -> str:
    """Markdown with a directive of mkdocstrings for each name."""
    title, introduction, sections = PAGES[name]
    parts = [f"# {title}\n\n{introduction} Everything here comes from `import harness`.\n"]
    for heading, names in sections.items():
        parts += [f"## {heading}\n", *(f"::: harness.{each}\n" for each in names.split())]
    return "\n".join(parts)


def listed_names() -> list[str]:
    """Every name that stands on a page."""
    return [each for _, _, sections in PAGES.values() for names in sections.values() for each in names.split()]
