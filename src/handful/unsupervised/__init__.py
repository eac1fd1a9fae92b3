"""Learning without labels: maps, autoencoders, adversarial nets, self-supervision, and labels for the unlabelled."""
