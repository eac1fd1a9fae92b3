"""One file per application."""
