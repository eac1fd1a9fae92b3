"""Data augmentation: a policy draws matrices, every image is warped once and recoloured once."""
