"""Keras callbacks, one class per file."""

from tf_pseudolabel.callbacks.alpha_scheduler import AlphaScheduler

__all__ = ["AlphaScheduler"]
