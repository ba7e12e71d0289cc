"""What made the mini world: pre-training, search, calibration, card. Nothing else needs it."""
