"""The commands of the command line. A command is one light file here: its arguments, and a function that imports what it needs
and does the work (large ones have a second file for that, such as `check_run` beside `check`). `harness.cli` finds them by
`COMMANDS`.
"""

COMMANDS = (
    "run", "play", "evaluate", "judge", "labels", "list", "schema", "show", "leaderboard", "compare", "check", "spread", "data",
    "train", "models", "export", "import_episodes", "repair", "verify", "share", "env", "viewer",
)  # fmt: skip
"""Modules of this package, in the order of `harness --help`. Each has `add_parser(commands)`, and may have `two_words(argv)` for
commands of two words."""
EXIT_OK, EXIT_BAD_INPUT, EXIT_UNFINISHED, EXIT_INTERRUPTED = 0, 2, 4, 130
EXIT_CODES = (
    "exit codes: 0 all finished · 2 bad input · 4 finished with failed or unfinished episodes, or a damaged run was left out · "
    "130 interrupted"
)
