"""The one reader of text that models write (docs/reading.md), and version 0.1's, which runs of that version go on with."""
