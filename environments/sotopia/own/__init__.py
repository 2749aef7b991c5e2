"""Characters and scenarios that a user brings: their forms, what becomes of them, and the splits they make."""
