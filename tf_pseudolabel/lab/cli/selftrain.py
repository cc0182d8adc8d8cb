"""`bin/selftrain`: rounds of train, label, keep the surest, train anew."""

import sys

from absl import app, flags

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.cli import program, train
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import recipe_class
from tf_pseudolabel.lab.runs import conclusion

FLAGS = flags.FLAGS


def define_flags():
    """Defines the flags of rounds; those of a round are `bin/train`'s."""
    flags.DEFINE_list(
        "keep_share",
        ["0.2", "0.4", "0.6", "0.8", "1"],
        "rounds after the first, which trains on labels alone: the share of "
        "every class that each keeps, the surest rows (default: "
        "0.2,0.4,0.6,0.8,1)",
    )
    flags.DEFINE_float(
        "keep_confidence",
        0.0,
        "rounds: rows that are kept are as sure, besides (default: 0)",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    program.finite("keep_confidence")
    flags.DEFINE_enum(
        "start_from",
        "scratch",
        ("scratch", "teacher"),
        "rounds: what weights a student begins with: scratch (those that the "
        "network has at the start), or teacher (those of the round before)",
    )
    flags.DEFINE_string(
        "student_network",
        None,
        "rounds after the first: the classifier, as --network; a larger one "
        "for example. Default: the same",
    )
    flags.DEFINE_string(
        "review",
        None,
        "CSV file with the columns id and label: labels by people, such as "
        "review.csv of a run, filled in; they are given ones in every round "
        "that begins from now on",
    )


def main(argv):
    """Trains as the flags say and prints the tables."""
    if len(argv) > 1:
        raise app.UsageError(
            f"bin/selftrain takes flags only; got {argv[1]!r}. See --help."
        )
    if not FLAGS.output_dir:
        raise app.UsageError(
            "bin/selftrain needs --output_dir, where its rounds are found "
            "again; got none."
        )
    if FLAGS.preset == train.AUTO:
        raise app.UsageError(
            f"--preset={train.AUTO} is for bin/train; rounds have a preset of "
            "their own choice. Name one, or leave it out."
        )
    try:
        recipe = train.recipe_from_flags()
    except InputError as error:
        raise app.UsageError(str(error)) from None

    # Slow: not before flags are parsed.
    rounds = program.load("tf_pseudolabel.lab.runs.rounds")
    rounds.run(
        recipe,
        _plan(rounds),
        FLAGS.output_dir,
        FLAGS.review,
        checkpoint_minutes=FLAGS.checkpoint_minutes,
        keep_checkpoints=FLAGS.keep_checkpoints,
        with_pictures=FLAGS.pictures,
        lowerable=train.lowerable(recipe, FLAGS.preset),
        tell=_tell,
    )
    return 0


def _tell(metrics, found):
    print(table(found["rounds"]))
    print(f"\n{conclusion.conclude(metrics)}")
    # Pictures follow, which take a while.
    print(f"\nRun directory: {FLAGS.output_dir}", flush=True)


def _plan(rounds):
    try:
        share = tuple(map(float, FLAGS.keep_share))
    except ValueError:
        raise app.UsageError(
            "--keep_share is a list of numbers, as 0.5,1; got "
            f"{','.join(FLAGS.keep_share)}."
        ) from None
    student = FLAGS.student_network
    try:
        return rounds.Plan(
            share,
            FLAGS.keep_confidence,
            FLAGS.start_from,
            student and networks.located(student),
        )
    except InputError as error:
        raise app.UsageError(str(error)) from None


def table(rounds):
    """Lays out the figures of rounds.

    Args:
        rounds: The entries of `rounds.json`.

    Returns:
        A string, a line per round under a header.
    """
    lines = [
        f"{'round':<7}{'labeled':>9}{'kept':>9}{'flips':>9}"
        f"{'right of kept %':>17}{'test error %':>14}"
    ]
    for figures in rounds:
        flips, right = figures["flips"], figures["accuracy_of_kept"]
        lines.append(
            f"{figures['round']:<7}{figures['labeled']:>9}{figures['kept']:>9}"
            f"{'–' if flips is None else flips:>9}"
            f"{'–' if right is None else f'{100 * right:.2f}':>17}"
            f"{figures['test_error_percent']:>14.2f}"
        )
    return "\n".join(lines)


HELP = """Self-training in rounds: train on the labels, label all rows, keep the
surest, train anew. Each round is a training as bin/train's, with its flags.
Flags:"""


def run():
    """Entry point of the program."""
    define_flags()  # First: then a part's flag that is called so is refused.
    try:
        train.define_flags(recipe_class(train.parts_of(sys.argv[1:])))
    except InputError as error:
        sys.exit(program.fail(error, program.USAGE_ERROR))
    program.run(main, HELP)


if __name__ == "__main__":
    sys.exit(run())
