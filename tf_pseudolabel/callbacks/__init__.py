"""What moves alpha and shares: Keras callbacks, one class per file."""

from tf_pseudolabel.callbacks.alpha_scheduler import AlphaScheduler
from tf_pseudolabel.callbacks.share_scheduler import ShareScheduler
from tf_pseudolabel.callbacks.start_over import StartOver

__all__ = ["AlphaScheduler", "ShareScheduler", "StartOver"]
