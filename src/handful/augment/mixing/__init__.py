"""Several images, and their labels, mixed into one."""
