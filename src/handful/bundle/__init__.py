"""The model folder: save, load, predict. Needs no torch."""
