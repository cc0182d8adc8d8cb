"""A user's own table: CSV, TSV, JSON lines or Parquet."""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras.utils import FeatureSpace

from tf_pseudolabel.lab.data import columns, rows
from tf_pseudolabel.lab.data.kinds import Encoding, Kind
from tf_pseudolabel.lab.data.preprocessing import float32_on_cpu
from tf_pseudolabel.lab.errors import InputError

# Of a column of texts, the commonest; others count as unknown.
MOST_CATEGORIES = 1000


def load(
    data_file,
    label_column,
    unlabeled_file=None,
    validation_file=None,
    test_file=None,
    group_column=None,
):
    """Loads a table of one's own.

    Args:
        data_file: A file whose rows have labels; those without are unlabeled.
        label_column: Name of its column of labels.
        unlabeled_file: Further rows; labels that it may hold are measured
            with. Defaults to none.
        validation_file: Rows to choose by. Defaults to rows of `data_file`.
        test_file: The same for rows to measure with.
        group_column: Name of the column that names the group of a row, which
            networks do not see. Defaults to none.

    Returns:
        A `Data` of a number or a string per column.

    Raises:
        InputError: If a file cannot be read, or does not hold such rows.
    """
    paths = {
        "labeled": data_file,
        "unlabeled": unlabeled_file,
        "validation": validation_file,
        "test": test_file,
    }
    table = rows.of_files(paths, label_column, group_column=group_column)
    frame, notes = _with_names_of_inputs(table.frame)
    held, said = columns.of(frame, table.training(), lambda row: table.ids[row])
    keys = pd.util.hash_pandas_object(
        pd.DataFrame(held.numbers | {k: x for k, (x, _) in held.texts.items()}),
        index=False,
    )
    return table.data(held, keys.to_numpy(), Table(held.dates), [*notes, *said])


def _with_names_of_inputs(frame):
    """Replaces the one character that inputs of Keras cannot have."""
    changed = [name for name in frame if "/" in name]
    if not changed:
        return frame, []
    frame = frame.rename(columns=lambda name: name.replace("/", "_"))
    if not frame.columns.is_unique:
        raise InputError(
            "names of columns must differ, also with _ in place of /; got "
            f"{', '.join(changed)}; rename them"
        )
    return frame, [f"In names of columns, / becomes _: {', '.join(changed)}."]


class Table(Kind):
    """Rows of a number or a string per column, as `columns.Columns` has them.

    A row is encoded as floats: numbers with mean 0 and standard deviation 1, a
    missing one as 0 and a 1 that says so; a category as 0 and 1.

    Args:
        dates: Names of the columns of numbers that are days since 1970.
    """

    name = "rows"
    network = "table_mlp"

    def __init__(self, dates=()):
        self._dates = tuple(dates)

    def columns(self, spec):
        """Numbers, dates and categories; see `Kind.columns`."""
        return {
            name: "dates"
            if name in self._dates
            else "numbers"
            if column.dtype.is_floating
            else "categories"
            for name, column in spec.items()
        }

    def encoding(self, split):
        """Adapts a `FeatureSpace`; see `Kind.encoding`."""
        held = split.labeled.inputs
        training = np.concatenate([split.labeled.rows, split.unlabeled.rows])
        numbers = {k: x[training] for k, x in held.numbers.items()}
        texts, notes = {}, []
        for name, (codes, values) in held.texts.items():
            texts[name], rare = _categories(codes[training], values)
            if rare:
                notes.append(
                    f"Column {name}: of its texts, {rare} that are rarer than "
                    f"{MOST_CATEGORIES} others count as unknown."
                )
        with float32_on_cpu():
            model = _encoder(numbers, texts)
        (spec,) = (tf.TensorSpec(x.shape[1:], x.dtype) for x in model.outputs)
        return Encoding(spec, model, notes=tuple(notes))

    def texts(self, inputs):
        """Writes "column=value, ..."; see `Kind.texts`."""
        written = [_written(name, cells) for name, cells in inputs.items()]
        return [", ".join(cells) for cells in zip(*written, strict=True)]


def _written(name, cells):
    for cell in cells.tolist():
        text = cell.decode() if isinstance(cell, bytes) else f"{cell:g}"
        yield f"{name}={text}"


def _categories(codes, values):
    """The commonest of the values in training rows, and how many more."""
    counts = np.bincount(codes, minlength=len(values))
    order = np.lexsort((values, -counts))[: np.count_nonzero(counts)]
    rare = max(len(order) - MOST_CATEGORIES, 0)
    return values[order[:MOST_CATEGORIES]], rare


def _encoder(numbers, texts):
    """A model from a dict of columns `(n,)` to floats `(n, k)`.

    Args:
        numbers: A dict from names to float32 arrays, of training rows.
        texts: A dict from names to the values that count.
    """
    # Scopes of TensorFlow have no blank, nor letters beyond ASCII.
    features = {name: f"column_{i}" for i, name in enumerate(numbers | texts)}
    space = FeatureSpace(
        {features[name]: "float_normalized" for name in numbers}
        | {features[name]: "string_categorical" for name in texts}
    )
    known = {name: x[~np.isnan(x)] for name, x in numbers.items()}
    # One element, whose columns differ in length: what is missing, or does not
    # count, is not learned.
    space.adapt(
        tf.data.Dataset.from_tensors(
            {features[k]: tf.constant(x) for k, x in (known | texts).items()}
        )
    )
    encode = keras.Model(dict(space.get_inputs()), space.get_encoded_features())
    inputs = {
        name: keras.Input((), name=name, dtype=space.get_inputs()[key].dtype)
        for name, key in features.items()
    }
    raw = {
        features[name]: keras.ops.expand_dims(x, -1)
        for name, x in inputs.items()
    }
    encoded = encode(raw)
    # The mean of what is normalized.
    encoded = keras.ops.where(keras.ops.isnan(encoded), 0.0, encoded)
    missing = [
        keras.ops.cast(keras.ops.isnan(raw[features[name]]), "float32")
        for name, x in numbers.items()
        if np.isnan(x).any()
    ]
    if missing:
        encoded = keras.layers.Concatenate()([encoded, *missing])
    return keras.Model(inputs, encoded, name="columns")
