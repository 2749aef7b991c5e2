"""From episodes and process rewards to weighted token sequences."""
