"""Windows, targets, losses, the training loop; search, ablation, and training on your own piano."""
