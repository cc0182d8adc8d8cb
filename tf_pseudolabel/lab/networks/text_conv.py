"""A network for texts: one convolution over words (Kim 2014).

Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014,
with one width of kernels and word vectors that begin at random.
"""

import keras
from keras import layers, ops

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import parts

PADDING = 0


def build(
    spec,
    num_classes,
    vocabulary_size=None,
    hidden_units=128,
    dropout=0.5,
    kernel_size=2,
):
    """Word vectors - convolution, ReLU - maximum over places - logits.

    Padding changes nothing, however much of it there is: its vector is 0, and
    places of padding do not count for the maximum.

    Args:
        spec: `tf.TensorSpec` of a text, token ids `(length,)`; 0 is padding.
        num_classes: Int, at least 2.
        vocabulary_size: Int: how many ids there are, padding included.
        hidden_units: Length of word vectors, and how many kernels there are.
            Defaults to 128.
        dropout: Share dropped before the logits, in `[0, 1)`. Defaults to 0.5.
        kernel_size: Int: words that a kernel sees. Defaults to 2.

    Returns:
        A `keras.Model` from token ids to logits, float32.

    Raises:
        InputError: If rows are no token ids, or nobody says how many there are.
    """
    parts.check_spec("text_conv", spec, "tokens")
    if vocabulary_size is None:
        raise InputError(
            "--network=text_conv needs to know how many token ids there are; "
            "got no vocabulary_size. Use --dataset=text, which counts them."
        )
    tokens = keras.Input(spec.shape, dtype=spec.dtype)
    words = layers.Embedding(vocabulary_size, hidden_units)(tokens)
    is_word = ops.cast(ops.not_equal(tokens, PADDING), words.dtype)
    is_word = ops.expand_dims(is_word, -1)
    features = layers.Conv1D(
        hidden_units, kernel_size, padding="same", activation="relu"
    )(words * is_word)
    # After ReLU, 0 is the least that there is.
    features = layers.GlobalMaxPooling1D()(features * is_word)
    features = layers.Dropout(dropout)(features)
    logits = parts.logits_layer(num_classes)(features)
    return keras.Model(tokens, logits, name="text_conv")
