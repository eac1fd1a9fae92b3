"""The ground: errors, randomness, progress, optional imports, safe files. Imports nothing of ours."""
