"""From process rewards to a trained strategist: weighted sequences, their loss, the trainer. Reads records; only
`selfplay` plays."""
