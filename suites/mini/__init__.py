"""The three tasks of the mini world."""
