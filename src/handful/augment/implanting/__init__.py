"""Cut-outs of objects, and images and scenes that they are put into."""
