"""One training: the loss, the trainer, the checkpoint."""
