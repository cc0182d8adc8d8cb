"""What the programs share: environment, flag errors, one-line failures."""

import gc
import importlib.util
import math
import os
import pathlib
import signal
import sys

from absl import app, flags, logging

from tf_pseudolabel.lab import children
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs.interruption import Interrupted

USAGE_ERROR = 2
INPUT_ERROR = 1
# Some rows could not be read, and the others are done.
SET_ASIDE = 3
# Shells, SLURM and Kubernetes know 128 + n as "ended by signal n".
_SIGNALED = 128

# Besides what the core needs; data sources look for theirs on their own.
_PACKAGES = ("bokeh", "matplotlib", "scipy", "sklearn")


def run(main, help_text):
    """Runs a program: `main(argv)` with absl flags parsed.

    Bad flags end with one line and status 2, an `InputError` with one line and
    status 1, signal n with one line and status 128 + n. Any other exception is
    a bug and keeps its traceback.

    Args:
        main: Callable of the arguments that are not flags; returns an exit
            status or None. Raises `app.UsageError` for wrong arguments.
        help_text: What `--help` prints above the flags.
    """
    children.end_with_parent()
    # Before TensorFlow is first imported. oneDNN is off by default on some
    # CPUs, where it halves the time of a step; the user's own word stands.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TFDS looks for credentials over the network, and waits for them.
    os.environ.setdefault("NO_GCE_CHECK", "true")

    def guarded_main(argv):
        if not flags.FLAGS["verbosity"].present:
            # Libraries warn of their own internals; --verbosity=0 shows all.
            logging.set_verbosity(logging.ERROR)
        try:
            return main(argv)
        except app.UsageError as error:
            return fail(error, USAGE_ERROR)
        except InputError as error:
            return fail(error, INPUT_ERROR)
        except Interrupted as error:
            return fail(
                f"interrupted by {error}; all is saved, and the same command "
                "goes on from here",
                _SIGNALED + error.number,
            )
        except KeyboardInterrupt:
            return fail("interrupted", _SIGNALED + signal.SIGINT)

    app.run(guarded_main, flags_parser=lambda argv: _parse(argv, help_text))


def define_trust():
    """Defines `--trust`, of programs that read runs."""
    flags.DEFINE_bool(
        "trust",
        False,
        "execute the file or module that a run's network=FILE.py:FUNCTION "
        "names, where classifiers have layers of their own; a run is data and "
        "executes nothing otherwise",
    )


def finite(*names):
    """Refuses numbers for flags that are none, which no bound does.

    Args:
        *names: Names of flags of floats.
    """
    for name in names:
        flags.register_validator(
            name, math.isfinite, "must be a number that is finite"
        )


def load(name):
    """Imports a module that imports TensorFlow, which takes seconds.

    Args:
        name: Full name of a module of this package.

    Returns:
        The module.

    Raises:
        InputError: If a package that the programs need is not installed.
    """
    missing = [p for p in _PACKAGES if importlib.util.find_spec(p) is None]
    if missing:
        raise InputError(
            "The programs need packages that the core does not; missing: "
            f"{', '.join(missing)}. Run "
            'pip install "tf_pseudolabel[programs]".'
        )
    known = name in sys.modules
    module = importlib.import_module(name)
    if not known:
        # What was imported stays: looking through it for garbage, again and
        # again, took two of twenty seconds.
        gc.freeze()
    return module


def _parse(argv, help_text):
    if any(argument in ("--help", "-help", "-h", "--h") for argument in argv):
        # `--help | head` ends like any other program's.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        print(help_text)
        print(_flag_help())
        sys.exit(0)
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(fail(error, USAGE_ERROR))


def _flag_help():
    """The program's own flags, without those of absl itself."""
    defined = flags.FLAGS.flags_by_module_dict()
    own = [
        flag
        for module, found in defined.items()
        if not module.startswith("absl")
        for flag in found
    ]
    return "\n".join(
        f"  --{'[no]' if flag.boolean else ''}{flag.name}\n      {flag.help}"
        for flag in own
    )


def fail(error, status):
    """Says what is wrong in one line.

    Args:
        error: An exception, or a string.
        status: The exit status.

    Returns:
        The exit status.
    """
    message = " ".join(str(error).split())
    program = pathlib.Path(sys.argv[0]).stem
    print(f"{program}: {message}", file=sys.stderr)
    return status
