"""The engine: steps, keys, runs. It knows nothing of text."""
