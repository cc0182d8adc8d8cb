"""What an epoch's pseudo-labels were like, and when they go wrong."""
