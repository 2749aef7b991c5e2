"""Weights on this machine: model files, servers that the run starts, batches."""
