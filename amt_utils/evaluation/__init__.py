"""Metrics by mir_eval, decoding thresholds, error analysis, and the NMF baseline."""
