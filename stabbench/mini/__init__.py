"""The mini world: a small artificial language, and the pre-training of an encoder on it."""
