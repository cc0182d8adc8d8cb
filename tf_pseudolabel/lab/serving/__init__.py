"""A run's classifier, handed over."""
