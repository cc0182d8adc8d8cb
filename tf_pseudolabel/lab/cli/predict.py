"""`bin/predict MODEL INPUT... --output=FILE`: a label for every row."""

import sys

from absl import app, flags

from tf_pseudolabel.lab.cli import program
from tf_pseudolabel.lab.runs.interruption import Interrupted, Listener

FLAGS = flags.FLAGS
_USAGE = "bin/predict RUN_DIR|SAVED_MODEL INPUT... --output=FILE"


def define_flags():
    """Defines the flags of the program."""
    flags.DEFINE_string(
        "output", None, "file to write or replace: .csv, .jsonl or .parquet"
    )
    flags.DEFINE_integer(
        "top", 1, "classes to name for each row, the likeliest first"
    )
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


def main(argv):
    """Predicts, and says what came out."""
    if len(argv) < 3 or not FLAGS.output:
        lacking = "no --output" if len(argv) > 2 else f"{len(argv) - 1} of them"
        raise app.UsageError(
            "bin/predict takes a model, inputs and --output; got "
            f"{lacking}. Usage: {_USAGE}"
        )

    # Slow: not before flags are parsed.
    predicting = program.load("tf_pseudolabel.lab.serving.predicting")
    served = program.load("tf_pseudolabel.lab.serving.served")
    requests = program.load("tf_pseudolabel.lab.serving.requests")
    listener = Listener()

    def interrupted():
        if listener.received is not None:
            raise Interrupted(listener.received)

    with listener.listening():
        summary = predicting.predict(
            served.Served(argv[1]),
            argv[2:],
            FLAGS.output,
            requests.Options(
                FLAGS.id_column, FLAGS.text_column, FLAGS.features_file
            ),
            FLAGS.top,
            interrupted,
        )
    files = program.load("tf_pseudolabel.lab.data.files")
    for label, count in summary.rows.most_common():
        print(f"{count:>9,}  {files.shown(label)}")
    print(f"Predictions: {FLAGS.output}")
    if not summary.unreadable:
        return None
    print(
        f"Rows that could not be read: {summary.unreadable:,}; they are listed "
        f"in {files.shown(summary.listed)}.",
        file=sys.stderr,
    )
    return program.SET_ASIDE


def run():
    """Entry point of the program."""
    define_flags()
    program.run(
        main,
        f"Writes what a model says of files: {_USAGE}\n\n"
        "Inputs are files and folders of what the model was trained on: "
        "images, texts,\ntables (.csv, .tsv, .jsonl, .parquet), arrays (.npy, "
        ".npz), records (.tfrecord).\nExit status 3: some rows could not be "
        "read and are listed beside the output.",
    )


if __name__ == "__main__":
    sys.exit(run())
