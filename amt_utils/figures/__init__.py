"""What there is to see: features, statistics, training, errors. One module per notebook that shows it."""
