"""What bin/predict and bin/label share: files of rows that a model is asked."""

import sys

from absl import flags

from tf_pseudolabel.lab.cli import program

FLAGS = flags.FLAGS
HELP = (
    "Inputs are files and folders of what the model was trained on: images, "
    "texts,\ntables (.csv, .tsv, .jsonl, .parquet), arrays (.npy, .npz), "
    "records (.tfrecord)."
)


def define_flags():
    """Defines what says how files are read."""
    flags.DEFINE_string(
        "id_column",
        None,
        "of tables: the column with a name for each row (default: the file and "
        "the number of the row, from 0)",
    )
    flags.DEFINE_string(
        "text_column",
        None,
        "of tables: the column of texts (default: as in training)",
    )
    flags.DEFINE_string(
        "features_file", None, "of TFRecord files: what records hold"
    )


def options():
    """Returns what the flags say, as `requests.Options`."""
    requests = program.load("tf_pseudolabel.lab.serving.requests")
    return requests.Options(
        FLAGS.id_column, FLAGS.text_column, FLAGS.features_file
    )


def status(unreadable, listed):
    """Says of rows that could not be read, and returns the exit status.

    Args:
        unreadable: How many.
        listed: The file that lists them, as it is shown.

    Returns:
        Int; None: all rows were read.
    """
    if not unreadable:
        return None
    print(
        f"Rows that could not be read: {unreadable:,}; they are listed in "
        f"{listed}.",
        file=sys.stderr,
    )
    return program.SET_ASIDE
