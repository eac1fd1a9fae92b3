"""`handful map`: a data set on a self-organizing map, as a picture to print."""
