"""A user's own table: CSV, TSV, JSON lines or Parquet."""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras.utils import FeatureSpace

from tf_pseudolabel.lab.data import columns, rows
from tf_pseudolabel.lab.data.kinds import Encoding, Kind, held
from tf_pseudolabel.lab.data.preprocessing import (
    float32_on_cpu,
    normalization,
)
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
    cache="auto",
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
        cache: Where encoded rows are kept, as for `caching.is_held`.

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
    chunks, notes = _with_names_of_inputs(table.chunks, table.names)
    found, said = columns.of(
        chunks, table.training(), lambda row: table.ids[row]
    )
    kind = Table(found.dates, cache)
    return table.data(found, _keys(found), kind, [*notes, *said])


def _keys(found, at_once=100_000):
    """A number for each row, the same where rows are."""
    arrays = found.numbers | {k: x for k, (x, _) in found.texts.items()}
    keys = [
        pd.util.hash_pandas_object(
            pd.DataFrame(
                {k: x[start : start + at_once] for k, x in arrays.items()}
            ),
            index=False,
        )
        for start in range(0, len(found), at_once)
    ]
    return np.concatenate(keys)


def _with_names_of_inputs(chunks, names):
    """Replaces the one character that inputs of Keras cannot have."""
    changed = [name for name in names if "/" in name]
    if not changed:
        return chunks, []
    renamed = {name: name.replace("/", "_") for name in names}
    if len(set(renamed.values())) < len(names):
        raise InputError(
            "names of columns must differ, also with _ in place of /; got "
            f"{', '.join(changed)}; rename them"
        )
    said = f"In names of columns, / becomes _: {', '.join(changed)}."
    return lambda: (x.rename(columns=renamed) for x in chunks()), [said]


class Table(Kind):
    """Rows of a number or a string per column, as `columns.Columns` has them.

    A row is encoded as floats: numbers with mean 0 and standard deviation 1, a
    missing one as 0 and a 1 that says so; a category as 0 and 1.

    Args:
        dates: Names of the columns of numbers that are days since 1970.
        cache: As for `load`.
    """

    name = "rows"
    network = "table_mlp"

    def __init__(self, dates=(), cache="none"):
        self._dates, self._cache = tuple(dates), cache

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

    def views(self, spec):
        """Those of tables; see `Kind.views`."""
        return "table"

    def encoding(self, split):
        """Adapts a `FeatureSpace`; see `Kind.encoding`."""
        found = split.labeled.inputs
        training = np.concatenate([split.labeled.rows, split.unlabeled.rows])
        texts, notes = {}, []
        for name, (codes, values) in found.texts.items():
            texts[name], rare = _categories(codes[training], values)
            if rare:
                notes.append(
                    f"Column {name}: of its texts, {rare} that are rarer than "
                    f"{MOST_CATEGORIES} others count as unknown."
                )
        notes += _constant(found.numbers, training)
        with float32_on_cpu():
            model, groups = _encoder(found.numbers, training, texts)
        (spec,) = (tf.TensorSpec(x.shape[1:], x.dtype) for x in model.outputs)
        is_held, said = held(spec, split, self._cache)
        return Encoding(
            spec,
            model,
            notes=(*notes, said),
            is_held=is_held,
            groups=groups,
        )

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


def _constant(numbers, training):
    """Says which columns of numbers have nothing to be learned from."""
    for name, x in numbers.items():
        some = x[training]
        values = np.unique(some[~np.isnan(some)])
        if len(values) < 2:
            told = f"always {values[0]:g}" if len(values) else "never known"
            yield f"Column {name}: in the rows that are trained on, {told}."


def _encoder(numbers, training, texts):
    """Makes what encodes columns.

    Args:
        numbers: A dict from names to float32 arrays.
        training: Int array `(n,)`: the training rows of these.
        texts: A dict from names to the values that count.

    Returns:
        A pair: a model from a dict of columns `(n,)` to floats `(n, k)`, and
        the number of the column that each of the k is of, a list.
    """
    # Scopes of TensorFlow have no blank, nor letters beyond ASCII.
    features = {name: f"column_{i}" for i, name in enumerate(numbers | texts)}
    space = FeatureSpace(
        {
            features[name]: FeatureSpace.feature(
                "float32", normalization(x[training, np.newaxis]), "float"
            )
            for name, x in numbers.items()
        }
        | {features[name]: "string_categorical" for name in texts},
        output_mode="dict",
    )
    gaps = [name for name, x in numbers.items() if np.isnan(x[training]).any()]
    # One element, whose columns differ in length: what does not count is not
    # learned.
    learned = {features[name]: tf.constant(x) for name, x in texts.items()}
    nothing = {features[name]: tf.zeros([1]) for name in numbers}
    space.adapt(tf.data.Dataset.from_tensors(learned | nothing))
    of_columns = space.get_encoded_features()
    encode = keras.Model(
        dict(space.get_inputs()),
        keras.layers.Concatenate()([*of_columns.values()]),
    )
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
        for name in gaps
    ]
    if missing:
        encoded = keras.layers.Concatenate()([encoded, *missing])
    widths = {name: x.shape[-1] for name, x in of_columns.items()}
    groups = [name for name, width in widths.items() for _ in range(width)]
    # A gap goes with the number that it tells of.
    groups += [features[name] for name in gaps]
    numbers_of = {name: number for number, name in enumerate(widths)}
    model = keras.Model(inputs, encoded, name="columns")
    return model, [numbers_of[name] for name in groups]
