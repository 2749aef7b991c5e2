"""What each command of the command line does; `harness.cli` parses and calls these."""
