"""Times the phase without pseudo-labels beside plain supervised `fit`.

    .venv/bin/python benchmarks/phases.py --output=phases.json

While alpha is 0, `PseudoLabelModel` shall cost what the classifier alone costs:
`fit` on `labeled_alone`, as in the first epochs of `bin/train`, and on merged
streams, whose unlabeled batches are made but not looked at: from shuffled rows,
as most users make them, and each at once, as `bin/train` does. All beside `fit`
of the classifier on the labeled stream.
"""

import os

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import subjects
import timing

import tf_pseudolabel as tpl

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_integer("rounds", 15, "turns; the figures are their medians")
flags.DEFINE_integer("steps", 100, "updates per turn")


def measured(setting, rounds, steps):
    """The figures of a setting."""
    classifier, loss, optimizer = subjects.parts(setting.network)
    classifier.compile(optimizer, loss, metrics=["accuracy"])
    labeled = subjects.labeled_stream(setting.rows)
    streams = {
        "labels alone": tpl.labeled_alone(labeled),
        "alpha = 0": subjects.stream_of(setting),
        "alpha = 0, batches of bin/train": subjects.gathered_stream(
            setting.rows
        ),
    }
    contenders = {
        name: subjects.time_of_fit(
            subjects.pseudo_label_model(setting, alpha=0.0), stream, steps
        )
        for name, stream in streams.items()
    }
    contenders["supervised"] = subjects.time_of_fit(classifier, labeled, steps)
    times = timing.take_turns(contenders, rounds)
    milliseconds = [
        timing.figure(
            f"{setting}: {name}", "ms", [1000 * t for t in values], better=None
        )
        for name, values in times.items()
    ]
    supervised = times.pop("supervised")
    ratios = [
        timing.figure(
            f"{setting}: {name} / supervised",
            "x time",
            timing.ratios(values, supervised),
        )
        for name, values in times.items()
    ]
    return [*milliseconds, *ratios]


def main(_):
    """Measures both networks."""
    figures = []
    for setting in subjects.SETTINGS:
        if setting.teacher == "inference" and setting.batch_norm == "joint":
            figures += measured(setting, flags.FLAGS.rounds, flags.FLAGS.steps)
    timing.report("phases", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
