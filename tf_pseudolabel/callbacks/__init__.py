"""Keras callbacks, one class per file."""

from tf_pseudolabel.callbacks.alpha_scheduler import AlphaScheduler
from tf_pseudolabel.callbacks.share_scheduler import ShareScheduler

__all__ = ["AlphaScheduler", "ShareScheduler"]
