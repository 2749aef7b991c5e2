"""Arms held against each other: rankings, paired differences, conclusions in words, and the gate."""
