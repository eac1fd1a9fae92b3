"""Networks, backbones and the exact linear solver."""
