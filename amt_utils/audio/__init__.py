"""Any recording -> samples, their windows, and features: CQT, HCQT, log-mel."""
