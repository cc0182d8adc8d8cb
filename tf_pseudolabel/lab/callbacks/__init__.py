"""What a run's training is watched and saved by."""
