"""Weights and training states: written whole, verified by hash, listed, mirrored."""
