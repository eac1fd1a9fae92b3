"""What a pre-trained network can be made to do: one technique, one file."""
