"""Views of an image: matrices, multiplied, applied in one warp."""
