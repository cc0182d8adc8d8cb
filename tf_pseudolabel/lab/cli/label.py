"""`bin/label MODEL --input=... --output=DIR`: labels for many rows, offline."""

import contextlib
import importlib.util
import signal
import sys

from absl import app, flags

from tf_pseudolabel.lab.cli import inputs, program
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import interruption

FLAGS = flags.FLAGS
_USAGE = (
    "bin/label RUN_DIR|SAVED_MODEL --input=... --output=DIR [-- BEAM_FLAGS]"
)


def define_flags():
    """Defines the flags of the program."""
    flags.DEFINE_multi_string(
        "input",
        [],
        "file or folder of rows to label; may be given several times",
    )
    flags.DEFINE_string(
        "output",
        None,
        "directory to write; a job in it that was interrupted is continued",
    )
    inputs.define_flags()
    flags.DEFINE_float(
        "confidence",
        None,
        "keep rows whose confidence is at least this, from 0 to 1",
    )
    flags.DEFINE_integer(
        "most_per_class", None, "keep the surest so many rows of each class"
    )
    flags.DEFINE_float(
        "share",
        None,
        "keep the surest share of the rows of each class, above 0 up to 1",
    )
    flags.DEFINE_bool(
        "balance",
        False,
        "repeat rows of smaller classes, the surest first, until all are as "
        "large as the largest",
    )
    flags.DEFINE_bool(
        "distribution", False, "write the probabilities of all classes, too"
    )
    flags.DEFINE_enum(
        "format",
        "parquet",
        ["parquet", "tfrecord"],
        "of the files of labels: parquet (default) or tfrecord",
    )
    flags.DEFINE_string(
        "review",
        None,
        "CSV file with the columns id and label: what people say wins",
    )
    flags.DEFINE_enum(
        "on_bad_row",
        "skip",
        ["skip", "stop"],
        "rows that cannot be read: skip (default) lists them in "
        "unreadable.csv, stop ends at the first one",
    )
    flags.DEFINE_string(
        "runner",
        "FnApiRunner",
        "who runs it: DataflowRunner, FlinkRunner, SparkRunner, ...; their own "
        "flags follow after -- (default: Beam's embedded FnApiRunner)",
    )


def main(argv):
    """Labels, and says what came out."""
    if len(argv) < 2 or argv[1].startswith("-") or not FLAGS.input:
        raise app.UsageError(
            f"bin/label takes a model and --input; got {_given(argv)}. Usage: "
            f"{_USAGE}"
        )
    if not FLAGS.output:
        raise app.UsageError(
            f"bin/label takes --output; got none. Usage: {_USAGE}"
        )
    others = [x for x in argv[2:] if not x.startswith("--")]
    if others:
        raise app.UsageError(
            f"bin/label takes one model, inputs by --input, and flags of Beam "
            f"as --flag=value after --; got {others[0]}. Usage: {_USAGE}"
        )
    if importlib.util.find_spec("apache_beam") is None:
        raise InputError(
            "bin/label needs Apache Beam; it is not installed. Run pip install "
            '"tf_pseudolabel[beam]".'
        )

    # Slow: not before flags are parsed.
    job = program.load("tf_pseudolabel.lab.serving.labelling.job")
    with _interruptible():
        summary = job.run(_job(job, argv))
    for line in _table(summary["classes"]):
        print(line)
    print(f"Labels: {FLAGS.output}/labels ({len(summary['files'])} files)")
    listed = f"{FLAGS.output}/unreadable.csv"
    return inputs.status(summary["rows"]["unreadable"], listed)


@contextlib.contextmanager
def _interruptible():
    """Lets signals end it at once: of files that are written, none is half."""
    received = []

    def end(number, frame):
        received.append(number)
        raise KeyboardInterrupt

    before = interruption.handled(end)
    try:
        yield
    except BaseException as error:
        # Beam makes another exception of it.
        if received:
            raise interruption.Interrupted(received[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _given(argv):
    if len(argv) < 2 or argv[1].startswith("-"):
        return "no model"
    return "no --input"


def _job(job, argv):
    return job.Job(
        argv[1],
        tuple(FLAGS.input),
        FLAGS.output,
        inputs.options(),
        job.Keep(
            FLAGS.confidence, FLAGS.most_per_class, FLAGS.share, FLAGS.balance
        ),
        FLAGS.distribution,
        FLAGS.format,
        FLAGS.review,
        FLAGS.on_bad_row == "stop",
        job.Runner(FLAGS.runner, tuple(argv[2:])),
    )


def _table(classes):
    files = program.load("tf_pseudolabel.lab.data.files")
    names = ("seen", "kept", "written")
    yield "".join(f"{name:>12}" for name in names) + "  label"
    for row in classes:
        cells = "".join(f"{row[name]:>12,}" for name in names)
        yield f"{cells}  {files.shown(row['label'])}"


def run():
    """Entry point of the program."""
    define_flags()
    program.run(
        main,
        f"Labels any amount of rows with a model, by Apache Beam:\n{_USAGE}\n\n"
        f"{inputs.HELP}\nA row is kept if every rule keeps it. Exit status 3: "
        "some rows could not be read\nand are listed in unreadable.csv.",
    )


if __name__ == "__main__":
    sys.exit(run())
