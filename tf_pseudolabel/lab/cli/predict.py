"""`bin/predict MODEL INPUT... --output=FILE`: a label for every row."""

import sys

from absl import app, flags

from tf_pseudolabel.lab.cli import inputs, program
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
    inputs.define_flags()


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
    listener = Listener()

    def interrupted():
        if listener.received is not None:
            raise Interrupted(listener.received)

    with listener.listening():
        summary = predicting.predict(
            served.Served(argv[1]),
            argv[2:],
            FLAGS.output,
            inputs.options(),
            FLAGS.top,
            interrupted,
        )
    files = program.load("tf_pseudolabel.lab.data.files")
    for label, count in summary.rows.most_common():
        print(f"{count:>9,}  {files.shown(label)}")
    print(f"Predictions: {FLAGS.output}")
    listed = summary.listed and files.shown(summary.listed)
    return inputs.status(summary.unreadable, listed)


def run():
    """Entry point of the program."""
    define_flags()
    program.run(
        main,
        f"Writes what a model says of files: {_USAGE}\n\n"
        f"{inputs.HELP}\nExit status 3: some rows could not be read and are "
        "listed beside the output.",
    )


if __name__ == "__main__":
    sys.exit(run())
