"""From a handful of labelled examples to a small model you can trust."""
