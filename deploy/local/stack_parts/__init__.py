"""The parts of the `stack` command."""
