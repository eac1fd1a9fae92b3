"""Which techniques, with which settings, and the evidence for each."""
