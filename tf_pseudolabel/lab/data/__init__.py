"""Streams for training, image sources, and splits."""
