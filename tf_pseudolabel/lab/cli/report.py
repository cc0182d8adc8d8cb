"""`bin/report RUN_DIR...`: a page that shows finished runs."""

import pathlib
import sys

from absl import app, flags

from tf_pseudolabel.lab.cli import program

FLAGS = flags.FLAGS


def define_flags():
    """Defines `--output` and `--trust`."""
    flags.DEFINE_string(
        "output",
        None,
        "HTML file to write or replace; required for several runs "
        "(default: report.html in the run directory)",
    )
    program.define_trust()


def main(argv):
    """Writes the page and says where it is."""
    run_directories = argv[1:]
    if not run_directories:
        raise app.UsageError(
            "bin/report takes run directories; got none. Usage: bin/report "
            "RUN_DIR... [--output=FILE] [--trust]"
        )
    if len(run_directories) > 1 and not FLAGS.output:
        raise app.UsageError(
            f"--output must name the page of several runs; got "
            f"{len(run_directories)} run directories without it. Usage: "
            "bin/report RUN_DIR... --output=FILE"
        )
    output = FLAGS.output or pathlib.Path(run_directories[0], "report.html")

    # Slow: not before flags are parsed.
    report = program.load("tf_pseudolabel.lab.report")
    report.write(run_directories, output, FLAGS.trust)
    print(f"Report: {output}")


def run():
    """Entry point of the program."""
    define_flags()
    program.run(
        main,
        "Writes a page that shows finished runs: bin/report RUN_DIR... "
        "[--output=FILE] [--trust]",
    )


if __name__ == "__main__":
    sys.exit(run())
