"""`bin/evaluate RUN_DIR`: a finished run's figures, computed once more."""

import math
import sys

from absl import app, flags

from tf_pseudolabel.lab.cli import program
from tf_pseudolabel.lab.cli.train import table
from tf_pseudolabel.lab.errors import InputError

FLAGS = flags.FLAGS


def main(argv):
    """Prints the figures of a run, and whether they are those recorded."""
    if len(argv) != 2:
        raise app.UsageError(
            f"bin/evaluate takes one run directory; got {len(argv) - 1} "
            "arguments. Usage: bin/evaluate RUN_DIR [--trust]"
        )

    # Slow: not before flags are parsed.
    experiment = program.load("tf_pseudolabel.lab.runs.experiment")
    computed, recorded = experiment.evaluate(argv[1], trust=FLAGS.trust)
    print(table(computed))
    for arm, figures in computed.items():
        entropies = figures["conditional_entropy"]
        print(
            f"conditional entropy, {arm}: "
            + ", ".join(
                f"{name} {value:.4g}" for name, value in entropies.items()
            )
        )
    for arm, figures in computed.items():
        _compare(arm, figures, recorded[arm])


def _compare(arm, computed, recorded):
    """Refuses figures that are not those of metrics.json."""
    pairs = [("test_error_percent", computed, recorded)]
    pairs += [
        (name, computed["conditional_entropy"], recorded["conditional_entropy"])
        for name in computed["conditional_entropy"]
    ]
    for name, ours, theirs in pairs:
        # Sums over batches round differently on another machine.
        if not math.isclose(
            ours[name], theirs[name], rel_tol=1e-3, abs_tol=1e-6
        ):
            raise InputError(
                f"metrics.json records {theirs[name]} for {name} of {arm}, the "
                f"saved classifier gives {ours[name]}. A file of the run, or "
                "the data, has changed."
            )


def run():
    """Entry point of the program."""
    program.define_trust()
    program.run(
        main, "Prints the figures of a run: bin/evaluate RUN_DIR [--trust]"
    )


if __name__ == "__main__":
    sys.exit(run())
