"""A network for tables: two hidden layers."""

import keras

from tf_pseudolabel.lab.networks import parts


def build(spec, num_classes, hidden_units=64, dropout=0.5, initial_std=None):
    """Two ReLU layers with dropout between the columns and the logits.

    Args:
        spec: `tf.TensorSpec` of a row, floats `(columns,)`: numbers with mean 0
            and standard deviation 1, categories as 0 and 1.
        num_classes: Int, at least 2.
        hidden_units: Units of each hidden layer. Defaults to 64.
        dropout: Share of hidden units dropped, in `[0, 1)`. Defaults to 0.5.
        initial_std: Standard deviation of the initial weights. Defaults to
            Keras' own choice.

    Returns:
        A `keras.Model` from rows to logits, float32.

    Raises:
        InputError: If rows are no such numbers.
    """
    parts.check_spec("table_mlp", spec, "numbers")
    return keras.Sequential(
        [
            keras.Input(spec.shape, dtype=spec.dtype),
            *parts.hidden_layers(hidden_units, dropout, initial_std),
            *parts.hidden_layers(hidden_units, dropout, initial_std),
            parts.logits_layer(num_classes, initial_std),
        ],
        name="table_mlp",
    )
