"""A classifier in a format of others, checked to be the same."""

import contextlib
import dataclasses
import logging
import os
import pathlib
import statistics
import tempfile
import textwrap
import time
import warnings

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.formats import FORMATS

# How many rows are asked for at once; the last batch of a check has fewer.
BATCH = 256
_CALLS = 30
# Slow models are asked less often.
_SECONDS = 2.0
# Characters of what a converter says of itself.
_LONGEST = 500


@dataclasses.dataclass(frozen=True)
class Exported:
    """What has been written.

    Attributes:
        path: The file, or the directory of the version.
        about: The file that says what the former does not; None: it says all.
        size: Int: bytes of all.
        difference: Float: how far a probability is from the classifier's at
            most.
        latencies: Dict from rows in a batch to milliseconds, a median.
    """

    path: pathlib.Path
    about: pathlib.Path | None
    size: int
    difference: float
    latencies: dict[int, float]


def export(trained, name, output, rows, version=None):
    """Exports a classifier.

    It is written beside its place, compared with the classifier, and moved
    there if it is the same.

    Args:
        trained: A `Trained`; formats in float32 change its layers.
        name: One of `FORMATS`.
        output: For `"saved_model"` the directory of its versions, else a file,
            which is replaced.
        rows: Nested arrays `(n, ...)` of raw inputs to compare on.
        version: Int above 0; None: one more than the last.

    Returns:
        An `Exported`.

    Raises:
        InputError: If the format cannot hold the classifier, or nothing can be
            written there.
    """
    place = check(name, output, version)
    row = FORMATS[name]
    _check_inputs(trained, row)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=place.parent, prefix=".partial-"
        ) as room:
            partial = pathlib.Path(room, place.name)
            _write(trained, row, partial)
            found = _compared(trained, row, partial, rows)
            size = _size(pathlib.Path(room))
            _move(pathlib.Path(room), place)
    except OSError as error:
        raise InputError(
            f"--output={output} could not be written: {error}. Make room, or "
            "name another place."
        ) from error
    return Exported(place, _about_file(row, place), size, *found)


def check(name, output, version=None):
    """Refuses what cannot be exported whatever the classifier is.

    Args:
        name: As for `export`.
        output: As for `export`.
        version: As for `export`.

    Returns:
        The path of the file or directory to write.

    Raises:
        InputError: If a package is missing, or the place does not fit.
    """
    row = FORMATS[name]
    row.check_packages()
    output = pathlib.Path(os.path.abspath(os.path.expanduser(output)))
    if row.suffix is None:
        return _version(output, version)
    if output.suffix != row.suffix:
        raise InputError(
            f"--output of --format={name} is a file that ends in "
            f"{row.suffix}; got {output}."
        )
    return output


def random_rows(trained, count=BATCH):
    """Makes rows that a classifier takes, where there are no others.

    Args:
        trained: A `Trained`.
        count: Int: how many.

    Returns:
        Nested arrays `(count, ...)`: whole numbers from 0 to 255 where those
        are asked for, standard normal ones, digits as strings.
    """
    random = np.random.default_rng(0)

    def column(spec):
        # One, where any size will do.
        shape = (count, *(size or 1 for size in spec.shape[1:]))
        if spec.dtype == tf.string:
            return random.integers(0, 10, shape).astype(str).astype(object)
        if spec.dtype.is_floating:
            return random.normal(size=shape).astype(spec.dtype.as_numpy_dtype)
        return random.integers(0, 256, shape).astype(spec.dtype.as_numpy_dtype)

    return tf.nest.map_structure(column, trained.specs())


def _version(output, version):
    if output.exists() and not output.is_dir():
        raise InputError(
            "--output of --format=saved_model is a directory, with one in it "
            f"for each version; got the file {output}."
        )
    names = os.listdir(output) if output.exists() else []
    versions = [int(name) for name in names if name.isdecimal()]
    if version in versions:
        raise InputError(
            f"--version must be new; got {version}, which is in {output}. "
            f"Versions there: {', '.join(map(str, sorted(versions)))}."
        )
    return output / str(version or 1 + max(versions, default=0))


def _check_inputs(trained, row):
    strings = [
        spec.name
        for spec in tf.nest.flatten(trained.specs())
        if spec.dtype == tf.string
    ]
    if strings and not row.strings:
        raise InputError(
            f"{row.title} takes numbers alone; got strings as inputs: "
            f"{', '.join(strings)}. Use --format=saved_model, which holds the "
            "preprocessing of strings."
        )


def _write(trained, row, partial):
    try:
        with _silence():
            row.write(trained, str(partial))
    except OSError:
        raise
    except Exception as error:  # Exporters raise whatever they like.
        raise InputError(
            f"Keras {keras.__version__} cannot write this classifier as "
            f"--format={row.name}: {_told(error)} {row.remedy}"
        ) from error
    about = _about_file(row, partial)
    if about is not None:
        trained.about.write_file(about)


@contextlib.contextmanager
def _silence():
    """Exporters warn of their own internals, and log what they raise."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _about_file(row, path):
    return None if row.strings else path.with_suffix(".json")


def _compared(trained, row, partial, rows):
    """The largest difference of probabilities, and latencies."""
    names = [spec.name for spec in tf.nest.flatten(trained.specs())]
    arrays = tf.nest.flatten(rows)
    expected = _predicted(trained.model, rows)
    try:
        answer = row.open(str(partial), names)
        found = [answer(batch) for batch in _batches(arrays)]
    except Exception as error:  # Readers raise whatever they like.
        raise InputError(
            f"{row.title} cannot read this classifier as --format={row.name}: "
            f"{_told(error)} {row.remedy}"
        ) from error
    difference = float(np.max(np.abs(np.concatenate(found) - expected)))
    # NaN is no small difference either.
    if not difference <= row.tolerance:
        raise InputError(
            f"--format={row.name} must give the classifier's probabilities, to "
            f"{row.tolerance:g}; got a difference of {difference:.2g}, and "
            f"nothing is written. {row.remedy}"
        )
    latencies = {
        count: _latency(answer, [_repeated(x, count) for x in arrays])
        for count in (1, BATCH)
    }
    return difference, latencies


def _told(error):
    """The beginning of what others say at length, as a sentence."""
    text = textwrap.shorten(str(error), _LONGEST, placeholder=" …")
    return f"{type(error).__name__}: {text.rstrip('.')}."


def _predicted(model, rows):
    batches = tf.data.Dataset.from_tensor_slices((rows,)).batch(BATCH)
    try:
        return model.predict(batches, verbose=0)["probabilities"]
    except Exception as error:  # Keras raises several.
        raise InputError(
            "A run's classifier must take rows of its data; got "
            f"{_told(error)} Files of the run do not belong together: run "
            "bin/train again."
        ) from error


def _batches(arrays):
    for start in range(0, len(arrays[0]), BATCH):
        yield [x[start : start + BATCH] for x in arrays]


def _repeated(array, count):
    return np.resize(array, (count, *array.shape[1:]))


def _latency(answer, arrays):
    """Milliseconds of a call, the median."""
    answer(arrays)
    times, end = [], time.perf_counter() + _SECONDS
    while len(times) < _CALLS and (not times or time.perf_counter() < end):
        begun = time.perf_counter()
        answer(arrays)
        times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times)


def _size(room):
    files = (path for path in room.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


def _move(room, place):
    """Moves what was written into its place, what it is named by last."""
    names = {path.name for path in room.iterdir()} - {place.name}
    for name in [*names, place.name]:
        os.replace(room / name, place.parent / name)
