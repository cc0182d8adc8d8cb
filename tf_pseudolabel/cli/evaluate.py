"""`bin/evaluate RUN_DIR`: a finished run's figures, computed once more."""

import sys

from absl import app

from tf_pseudolabel.cli import program
from tf_pseudolabel.cli.train import table
from tf_pseudolabel.errors import InputError


def main(argv):
    """Prints the figures of a run, and whether they are those recorded."""
    if len(argv) != 2:
        raise app.UsageError(
            f"bin/evaluate takes one run directory; got {len(argv) - 1} "
            "arguments. Usage: bin/evaluate RUN_DIR"
        )

    # Slow: not before flags are parsed.
    experiment = program.load("tf_pseudolabel.experiment")
    computed, recorded = experiment.evaluate(argv[1])
    print(table(computed))
    for arm, figures in computed.items():
        error = figures["test_error_percent"]
        if error != recorded[arm]["test_error_percent"]:
            raise InputError(
                f"metrics.json records {recorded[arm]['test_error_percent']} % "
                f"test error for {arm}, the saved classifier gives {error} %. "
                "A file of the run, or the data, has changed."
            )


def run():
    """Entry point of the program."""
    program.run(main, "Prints the figures of a run: bin/evaluate RUN_DIR")


if __name__ == "__main__":
    sys.exit(run())
