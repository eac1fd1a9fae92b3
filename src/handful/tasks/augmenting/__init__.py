"""`handful augment`: a sheet of what a policy does to a data set, or the augmented data set."""
