"""What machine this is: errors, whole files, paths, memory, GPUs, locks, Colab and Kaggle."""
