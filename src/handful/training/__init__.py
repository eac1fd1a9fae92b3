"""Training: one readable loop over an objective, and what belongs to it."""
