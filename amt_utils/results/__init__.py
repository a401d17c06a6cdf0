"""From recordings to all output files, one by one or many at once."""
