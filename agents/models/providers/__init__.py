"""One file per provider: who answers a chat."""
