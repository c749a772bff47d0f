"""The parts of the benchmark, one module each; `run` and `profile` put them in order."""
