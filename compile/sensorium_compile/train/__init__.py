"""Teaching and distilling on one process or on many: what a recipe says, in plain PyTorch."""
