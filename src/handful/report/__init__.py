"""The page that tells a person what was found."""
