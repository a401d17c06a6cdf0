"""Hyper-parameter and threshold studies with Optuna that survive the end of a session."""
