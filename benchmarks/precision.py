"""Times an update in float32 and in bfloat16, network by network, in turns.

    .venv/bin/python benchmarks/precision.py --output=precision.json

The teacher is `inference`; networks without batch normalization make two
passes, as by default. Where the processor has no bfloat16, the other figure
says what it costs to ask for it.
"""

import os

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import subjects
import timing

SETTINGS = {
    setting.network: setting
    for setting in (
        subjects.Setting("conv", 64, "inference", "separate"),
        subjects.Setting("strided_conv", 64, "inference", "separate"),
        subjects.Setting("mlp", 32, "inference", "separate"),
        subjects.Setting("norm_conv", 64, "inference"),
        subjects.Setting(subjects.PHOTOS, 32, "inference", rows_u=64),
    )
}
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def of_network(setting, policy, steps):
    """Makes a function that returns the time of an update under a policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = subjects.pseudo_label_model(setting)
    finally:
        keras.config.set_dtype_policy(before)
    return subjects.time_of_fit(model, subjects.stream_of(setting), steps)


def main(_):
    """Takes turns and prints."""
    figures = []
    for network in flags.FLAGS.networks:
        setting = SETTINGS[network]
        times = timing.take_turns(
            {
                name: of_network(setting, policy, flags.FLAGS.steps)
                for name, policy in POLICIES.items()
            },
            flags.FLAGS.rounds,
        )
        figures += [
            timing.figure(f"{setting}: {name}", "ms", [1000 * t for t in found])
            for name, found in times.items()
        ]
        figures.append(
            timing.figure(
                f"{setting}: bfloat16 / float32",
                "x time",
                timing.ratios(times["bfloat16"], times["float32"]),
            )
        )
    timing.report("precision", figures, flags.FLAGS.output)


if __name__ == "__main__":
    # Here, as tests import this beside programs with flags of their own.
    flags.DEFINE_string("output", None, "JSON file to write")
    flags.DEFINE_integer("rounds", 5, "turns; the figures are their medians")
    flags.DEFINE_integer("steps", 20, "updates per turn")
    flags.DEFINE_list("networks", list(SETTINGS), "which of them")
    app.run(main)
