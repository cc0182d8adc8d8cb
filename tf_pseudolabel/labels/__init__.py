"""What a pseudo-label is made of: teachers, selections, targets."""
