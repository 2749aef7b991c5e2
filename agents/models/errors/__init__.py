"""What went wrong with a call: the short names, what a refusal means, how long to wait."""
