"""From weights or a PyTorch model to a bundle for one target."""
