"""Statistics on arrays: pure functions, no models, no files."""
