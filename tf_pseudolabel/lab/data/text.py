"""A user's own texts: a column of a file, or one file per text."""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tf_pseudolabel.lab.data import batches, rows, stored, text_folders
from tf_pseudolabel.lab.data.kinds import Encoding, Kind, held
from tf_pseudolabel.lab.data.preprocessing import float32_on_cpu
from tf_pseudolabel.lab.errors import InputError

VOCABULARY_SIZE = 10_000
# Unless it is said otherwise: that many of the texts are not cut ...
_WHOLE = 0.95
# ... as long as they have no more tokens than this.
_MOST_TOKENS = 256
_AT_ONCE = 1024


def load(
    data_file=None,
    label_column=None,
    text_column=None,
    unlabeled_file=None,
    validation_file=None,
    test_file=None,
    labeled_dir=None,
    unlabeled_dir=None,
    validation_dir=None,
    test_dir=None,
    vocabulary_size=None,
    text_length=None,
    group_column=None,
    cache="auto",
):
    """Loads texts of one's own, of files of rows or of folders of files.

    Args:
        data_file: A file of rows with labels; those without are unlabeled.
        label_column: Name of its column of labels.
        text_column: Name of its column of texts.
        unlabeled_file: Further rows; labels that it may hold are measured
            with. Defaults to none.
        validation_file: Rows to choose by. Defaults to rows of `data_file`.
        test_file: The same for rows to measure with.
        labeled_dir: Instead of files of rows: a sub-folder per class, with a
            .txt file, or one without suffix, per text.
        unlabeled_dir: Texts without classes. Defaults to none.
        validation_dir: Like `labeled_dir`. Defaults to texts of it.
        test_dir: The same for texts to measure with.
        vocabulary_size: Tokens that are told apart. Defaults to 10,000.
        text_length: Tokens of a text that are read. Defaults to as many as
            19 of 20 training texts have, 256 at most.
        group_column: Name of the column that names the group of a text.
            Defaults to none.
        cache: Where encoded texts are kept, as for `caching.is_held`.

    Returns:
        A `Data` of strings.

    Raises:
        InputError: If a file cannot be read, or does not hold such rows.
    """
    of_files = {
        "labeled": data_file,
        "unlabeled": unlabeled_file,
        "validation": validation_file,
        "test": test_file,
    }
    of_folders = {
        "labeled": labeled_dir,
        "unlabeled": unlabeled_dir,
        "validation": validation_dir,
        "test": test_dir,
    }
    columns = {
        "--text_column": text_column,
        "--label_column": label_column,
        "--group_column": group_column,
    }
    _check_given(of_files, of_folders, columns)
    if data_file is None:
        table = text_folders.read(of_folders)
    else:
        wanted = {"text_column": text_column}
        table = rows.of_files(of_files, label_column, wanted, group_column)
    keys, empty = [], []

    def parts():
        for frame in table.chunks():
            texts = frame.iloc[:, 0].tolist()
            words = [" ".join(text.lower().split()) for text in texts]
            first = sum(map(len, keys))
            empty.extend(first + i for i, x in enumerate(words) if not x)
            keys.append(pd.util.hash_array(np.array(words, object)))
            yield texts

    texts = stored.Texts(parts())
    if empty:
        raise InputError(
            f"a text must not be empty; got {table.ids[empty[0]]} and "
            f"{len(empty) - 1} others; remove these rows"
        )
    size = vocabulary_size or VOCABULARY_SIZE
    kind = Texts(size, text_length, text_column, cache)
    return table.data(texts, np.concatenate(keys), kind)


def _check_given(of_files, of_folders, columns):
    given = {f"--{name}_dir": path for name, path in of_folders.items()}
    given |= {
        f"--{'data' if name == 'labeled' else name}_file": path
        for name, path in of_files.items()
    }
    given |= columns
    given = {flag for flag, value in given.items() if value is not None}
    folders = {flag for flag in given if flag.endswith("_dir")}
    needed = {"--data_file", "--text_column", "--label_column"}
    if "--labeled_dir" in given and given == folders:
        return
    if needed <= given and not folders:
        return
    raise InputError(
        f"texts are either in files, with {', '.join(sorted(needed))}, or in "
        f"folders, with --labeled_dir; got {', '.join(sorted(given)) or 'none'}"
        "; give those of one kind"
    )


class Texts(Kind):
    """Texts, which are encoded as numbers of their words.

    Words are in lower case, without punctuation; 0 is padding and 1 a word that
    is not in the vocabulary, which holds the commonest of training texts.

    Args:
        vocabulary_size: Int, at least 2: how many numbers there are at most.
        text_length: Int: words of a text that are read; None: see `load`.
        column: Name of the column that held the texts; None: there was none.
        cache: As for `load`.
    """

    name = "texts"
    network = "text_conv"

    def __init__(
        self,
        vocabulary_size=VOCABULARY_SIZE,
        text_length=None,
        column=None,
        cache="none",
    ):
        self._vocabulary_size = vocabulary_size
        self._text_length = text_length
        self._column, self._cache = column, cache

    def columns(self, spec):
        """The one of texts; see `Kind.columns`."""
        return {self._column: "texts"} if self._column else {}

    def views(self, spec):
        """Those of texts; see `Kind.views`."""
        return "text"

    def encoding(self, split):
        """Adapts a `TextVectorization`; see `Kind.encoding`."""
        texts = batches.inputs_alone(split.labeled, _AT_ONCE).concatenate(
            batches.inputs_alone(split.unlabeled, _AT_ONCE)
        )
        texts = texts.map(lambda text: text)  # Out of tuples of one.
        with float32_on_cpu():
            words = keras.layers.TextVectorization(self._vocabulary_size)
            words.adapt(texts)
            lengths = _lengths(texts, words)
            length = self._text_length or _length(lengths)
            # Its vocabulary stays; padding and what is unknown are its own.
            cut = keras.layers.TextVectorization(
                self._vocabulary_size,
                output_sequence_length=length,
                vocabulary=words.get_vocabulary()[2:],
            )
            text = keras.Input((), name="text", dtype="string")
            model = keras.Model(text, cut(text), name="words")
        size = words.vocabulary_size()
        spec = tf.TensorSpec((length,), model.output.dtype)
        is_held, said = held(spec, split, self._cache)
        return Encoding(
            spec,
            model,
            {"vocabulary_size": size},
            (_said(size, length, lengths), said),
            is_held,
        )

    def texts(self, inputs):
        """The texts, in one line each; see `Kind.texts`."""
        return [" ".join(text.decode().split()) for text in inputs.tolist()]


def _lengths(texts, words):
    counts = texts.map(lambda x: tf.math.count_nonzero(words(x), axis=-1))
    return np.concatenate(list(counts.as_numpy_iterator()))


def _length(lengths):
    enough = np.quantile(lengths, _WHOLE, method="inverted_cdf")
    return int(np.clip(enough, 1, _MOST_TOKENS))


def _said(size, length, lengths):
    longer = int((lengths > length).sum())
    cut = f"; {longer} of {len(lengths)} training texts are cut" * (longer > 0)
    return f"Texts: {length} words of {size - 2} are read{cut}."
