"""Our environments in other libraries: the originals' own faces, gymnasium, trainers (docs/bridges.md).

Each bridge imports its library itself; nothing else of the project needs one of them.
"""
