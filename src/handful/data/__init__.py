"""Reading, checking and splitting examples; the cache of what was computed from them."""
