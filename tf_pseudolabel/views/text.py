"""Views of texts: numbers of words, some of them missing or moved."""

import tensorflow as tf

from tf_pseudolabel.registry import Flag, register
from tf_pseudolabel.views.images import within
from tf_pseudolabel.views.view import View
from tf_pseudolabel.views.views import Views

PADDING, UNKNOWN = 0, 1


def text(**choices):
    """Makes views of texts.

    Args:
        **choices: Arguments of `TextViews`.

    Returns:
        `TextViews`.

    Example:
    >>> import tf_pseudolabel as tpl
    >>> tpl.views.text(mask=0.3).get_config()["mask"]
    0.3
    """
    return TextViews(**choices)


@register(
    "views",
    "text",
    help="some words unknown, left out or swapped",
    flags=[
        Flag("mask", 0.15, "text: share of words unknown", least=0, most=1),
        Flag("delete", 0.1, "text: share of words left out", least=0, most=1),
        Flag("swap", 0.1, "text: share of words swapped", least=0, most=1),
    ],
    says="the student sees texts of whose words {mask:.0%} are unknown, "
    "{delete:.0%} left out and {swap:.0%} swapped",
    order=1,
)
class TextViews(Views):
    """The text itself, and one whose words are masked, left out and swapped.

    Inputs are numbers of words `(batch, length)`, as
    `keras.layers.TextVectorization` makes them: 0 is padding, 1 an unknown
    word. The teacher sees them as they are. Cheap noise, of which less is to be
    expected than of back-translations (Xie et al., "UDA", NeurIPS 2020); where
    you have such, a stream of `Viewed(text, translation)` brings them. Deletion
    and swaps are those of Wei & Zou, "EDA", EMNLP 2019.

    Args:
        mask: Float in [0, 1]: share of words that become unknown.
        delete: Float in [0, 1]: share of words that are left out; others move
            up. Of each text one word stays.
        swap: Float in [0, 1]: share of words that change places with the next.
        seed: As for `Views`.
        name: Name of the layer.

    Raises:
        ValueError: If a share is outside [0, 1].
    """

    def __init__(self, mask=0.15, delete=0.1, swap=0.1, seed=None, name=None):
        words = Words(mask, delete, swap)
        super().__init__(strong=words, seed=seed, name=name)
        self._config = {**words.get_config(), "seed": seed}

    def get_config(self):
        """Returns the constructor's arguments."""
        return dict(self._config)

    @classmethod
    def from_config(cls, config):
        """Makes the views that `get_config` described."""
        return cls(**config)


class Words(View):
    """Masks, deletes and swaps words.

    Args:
        mask, delete, swap: As for `TextViews`.
    """

    def __init__(self, mask=0.15, delete=0.1, swap=0.1):
        self.mask = within("mask", mask, 1)
        self.delete = within("delete", delete, 1)
        self.swap = within("swap", swap, 1)

    def check(self, x):
        """Refuses what are no numbers of words; see `View.check`."""
        flat = tf.nest.flatten(x)
        if (
            len(flat) > 1
            or len(flat[0].shape) != 2
            or flat[0].dtype.is_floating
        ):
            raise ValueError(
                "Views of texts are for one input of numbers of words, whole "
                f"numbers (batch, length); got "
                f"{[(s.dtype.name, s.shape) for s in flat]}."
            )
        if flat[0].shape[1] is None:
            raise ValueError(
                "Views of texts need texts of one length; got an open one. "
                "Give TextVectorization an output_sequence_length."
            )

    def __call__(self, x, draws):
        """Makes the view; see `View.__call__`."""
        masked, deleted, swapped = tf.unstack(
            draws.uniform(3, x.shape[1]), axis=1
        )
        is_word = x != PADDING
        x = tf.where(
            is_word & (masked < self.mask), tf.cast(UNKNOWN, x.dtype), x
        )
        x = _swapped(x, is_word & (swapped < self.swap))
        # A text without words is none; one word stays, chosen by the same draw.
        last = tf.reduce_max(tf.where(is_word, deleted, 0.0), 1, keepdims=True)
        going = is_word & (deleted < self.delete) & (deleted < last)
        return _without(x, going)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"mask": self.mask, "delete": self.delete, "swap": self.swap}


def _swapped(x, chosen):
    """Words that are chosen change places with the next, if there is one."""
    before = tf.pad(chosen, [[0, 0], [1, 0]])[:, :-1]
    there = tf.pad(x[:, 1:] != PADDING, [[0, 0], [0, 1]])
    first = chosen & ~before & there
    second = tf.pad(first, [[0, 0], [1, 0]])[:, :-1]
    later = tf.pad(x[:, 1:], [[0, 0], [0, 1]])
    earlier = tf.pad(x, [[0, 0], [1, 0]])[:, :-1]
    return tf.where(first, later, tf.where(second, earlier, x))


def _without(x, left_out):
    """Moves up what is behind words that are left out."""
    order = tf.argsort(tf.cast(left_out, tf.int32), axis=1, stable=True)
    kept = tf.where(left_out, tf.cast(PADDING, x.dtype), x)
    return tf.gather(kept, order, batch_dims=1)
