"""The parts of the demo, one module each; `run` puts them in order."""
