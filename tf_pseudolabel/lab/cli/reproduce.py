"""`bin/reproduce --what=NAME`: the tables of docs/results/, made again."""

import os
import sys

from absl import app, flags

from tf_pseudolabel.lab.cli import program
from tf_pseudolabel.lab.reproduction.plans import PLANS

FLAGS = flags.FLAGS
_ALL = "all"


def define_flags():
    """Defines the program's flags."""
    flags.DEFINE_enum(
        "what",
        None,
        [*PLANS, _ALL],
        f"the table, or {_ALL} of them, one after the other; required",
    )
    flags.DEFINE_list(
        "methods",
        [],
        "run the cells of these recipes alone; the table has whatever is "
        "finished (default: all)",
    )
    flags.DEFINE_integer(
        "seeds",
        None,
        "how many splits are run (default: what the table has)",
        lower_bound=1,
    )
    flags.DEFINE_bool(
        "quick",
        False,
        "the time-compressed form, minutes per run at most; kept apart",
    )
    flags.DEFINE_integer(
        "jobs",
        1,
        "runs side by side, each on its share of the cores (default: 1)",
        lower_bound=1,
    )
    flags.DEFINE_string(
        "docs", "docs", "directory of results/ and images/ (default: docs)"
    )
    flags.DEFINE_string(
        "work_dir",
        "runs/reproduce",
        "where run directories are kept (default: runs/reproduce)",
    )


def main(argv):
    """Finishes the table, prints it, and says where it is."""
    if len(argv) > 1:
        raise app.UsageError(
            f"bin/reproduce takes flags only; got {argv[1]!r}. See --help."
        )
    if FLAGS.what is None:
        raise app.UsageError(
            f"--what is one of {', '.join(PLANS)}, {_ALL}; got none."
        )
    if FLAGS.what == _ALL and (FLAGS.methods or FLAGS.seeds):
        raise app.UsageError(
            f"--what={_ALL} makes every table as it is; got --methods or "
            "--seeds, too. Name one table."
        )
    if FLAGS.jobs > os.cpu_count():
        raise app.UsageError(
            "--jobs must not exceed the cores, or runs slow each other down; "
            f"got {FLAGS.jobs} for {os.cpu_count()}."
        )
    # Slow: not before flags are parsed.
    reproduce = program.load("tf_pseudolabel.lab.reproduction.reproduce")
    for what in PLANS if FLAGS.what == _ALL else [FLAGS.what]:
        text = reproduce.reproduce(
            what,
            FLAGS.docs,
            FLAGS.work_dir,
            quick=FLAGS.quick,
            methods=FLAGS.methods,
            seeds=FLAGS.seeds,
            jobs=FLAGS.jobs,
        )
        print(text, flush=True)


def help_text():
    """What `--help` prints above the flags."""
    lines = ["Makes a table of docs/results/ again.", "", "Tables:"]
    for name, plan in PLANS.items():
        lines.append(f"  {name:<18}{plan.__doc__.splitlines()[0]}")
    return "\n".join([*lines, "Flags:"])


def run():
    """Entry point of the program."""
    define_flags()
    program.run(main, help_text())


if __name__ == "__main__":
    sys.exit(run())
