"""One episode: the loop, the model calls it writes down, and the watchdog over it."""
