"""Labels by people: which episodes they are asked about, and what they are shown."""
