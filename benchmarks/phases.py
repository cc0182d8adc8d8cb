"""Times the phase without pseudo-labels beside plain supervised `fit`.

    .venv/bin/python benchmarks/phases.py --output=phases.json

While alpha is 0, `PseudoLabelModel` shall cost what the classifier alone costs:
`fit` on merged streams, of which the unlabeled one is not looked at, beside
`fit` of the classifier on the same labeled stream.
"""

import os

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import subjects
import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_integer("rounds", 15, "turns; the figures are their medians")
flags.DEFINE_integer("steps", 100, "updates per turn")


def measured(setting, rounds, steps):
    """The figures of a setting."""
    classifier, loss, optimizer = subjects.parts(setting.network)
    classifier.compile(optimizer, loss, metrics=["accuracy"])
    times = timing.take_turns(
        {
            "alpha = 0": subjects.time_of_fit(
                subjects.pseudo_label_model(setting, alpha=0.0),
                subjects.merged_stream(setting.rows),
                steps,
            ),
            "supervised": subjects.time_of_fit(
                classifier, subjects.labeled_stream(setting.rows), steps
            ),
        },
        rounds,
    )
    milliseconds = [
        timing.figure(f"{setting}: {name}", "ms", [1000 * t for t in values])
        for name, values in times.items()
    ]
    ratios = timing.ratios(times["alpha = 0"], times["supervised"])
    name = f"{setting}: alpha = 0 / supervised"
    return [*milliseconds, timing.figure(name, "x time", ratios)]


def main(_):
    """Measures both networks."""
    figures = []
    for setting in subjects.SETTINGS:
        if setting.teacher == "inference":
            figures += measured(setting, flags.FLAGS.rounds, flags.FLAGS.steps)
    timing.report("phases", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
