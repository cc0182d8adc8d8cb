"""`bin/export RUN_DIR`: a run's classifier in the formats that others serve."""

import sys

from absl import app, flags

from tf_pseudolabel.lab.cli import program

FLAGS = flags.FLAGS

# In the words of `--help`, which does not wait for TensorFlow.
FORMATS = {
    "saved_model": "a directory with a numbered version in it, as TensorFlow "
    "Serving expects",
    "keras": "a .keras file, for Keras with `import tf_pseudolabel`",
    "onnx": "an .onnx file, for ONNX Runtime",
    "litert": "a .tflite file, for LiteRT on phones and small machines",
    "openvino": "an .xml file with a .bin file, for OpenVINO",
}
_USAGE = "Usage: bin/export RUN_DIR --format=FORMAT --output=PATH"


def define_flags():
    """Defines `--format`, `--output`, `--version` and `--trust`."""
    texts = "; ".join(f"{name}: {text}" for name, text in FORMATS.items())
    flags.DEFINE_enum("format", "saved_model", [*FORMATS], texts)
    flags.DEFINE_string(
        "output",
        None,
        "where: for saved_model the directory of its versions, else a file, "
        "which is replaced",
    )
    flags.DEFINE_integer(
        "version",
        None,
        "saved_model: the number of the version (default: one more than the "
        "last)",
        lower_bound=1,
    )
    program.define_trust()


def main(argv):
    """Exports, and says how the file compares with the classifier."""
    if len(argv) != 2:
        raise app.UsageError(
            f"bin/export takes one run directory; got {len(argv) - 1} "
            f"arguments. {_USAGE}"
        )
    if not FLAGS.output:
        raise app.UsageError(
            f"--output must say where to write; got none. {_USAGE}"
        )
    if FLAGS.version and FLAGS.format != "saved_model":
        raise app.UsageError(
            "--version is for --format=saved_model; got "
            f"--format={FLAGS.format}."
        )

    # Slow: not before flags are parsed.
    exports = program.load("tf_pseudolabel.lab.runs.exports")
    outcome = exports.export(
        argv[1], FLAGS.format, FLAGS.output, FLAGS.version, FLAGS.trust
    )
    print(_told(outcome))
    return 0


def _told(outcome):
    exported = outcome.exported
    files = [exported.path, *([exported.about] if exported.about else [])]
    latencies = ", ".join(
        f"{milliseconds:.2f} ms for {count} row{'s' * (count > 1)}"
        for count, milliseconds in exported.latencies.items()
    )
    return "\n".join(
        [
            f"Exported: {', '.join(map(str, files))} ({exported.size:,} bytes)",
            "Probabilities: within "
            f"{exported.difference:.1g} of the classifier's on "
            f"{outcome.compared}",
            f"Latency: {latencies} (medians)",
            *outcome.lost,
        ]
    )


def run():
    """Entry point of the program."""
    define_flags()
    program.run(
        main,
        "Hands a run's classifier over: bin/export RUN_DIR --format=FORMAT "
        "--output=PATH",
    )


if __name__ == "__main__":
    sys.exit(run())
