"""Peak memory of `fit` over 10,000 to 1,000,000 unlabeled rows.

    .venv/bin/python benchmarks/memory.py --output=memory.json

Rows are made as they are needed, as a reader of files would: one epoch over all
of them, shuffled, each number of rows in a process of its own. A small network,
as the rows are what is in question.
"""

import os
import resource
import subprocess
import sys

from absl import app, flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_integer("rounds", 3, "turns; the figures are their medians")
flags.DEFINE_list("rows", ["10000", "100000", "1000000"], "unlabeled rows")
flags.DEFINE_integer("epoch_of", None, "train on so many rows, in this process")

BATCH = 256


def train(rows):
    """One epoch in this process; prints its peak memory in MB."""
    import keras
    import subjects
    import tensorflow as tf

    import tf_pseudolabel as tpl
    from tf_pseudolabel.lab import networks

    def image(number):
        seed = tf.stack([number, number])
        pixels = tf.random.stateless_uniform(
            [28, 28, 1], seed, 0, 256, dtype=tf.int32
        )
        return tf.cast(pixels, tf.uint8)

    unlabeled = tf.data.Dataset.range(rows).map(image).shuffle(5000)
    model = tpl.PseudoLabelModel(
        networks.build("mlp", subjects.SPEC, 10, hidden_units=32)
    )
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.alpha.assign(1.0)
    model.fit(
        tpl.merge_streams(
            subjects.labeled_stream(32), unlabeled.repeat().batch(BATCH)
        ),
        steps_per_epoch=rows // BATCH,
        verbose=0,
    )
    # Kilobytes, on Linux.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak / 1024)


def peak(rows):
    """The peak memory of a process that trains on so many rows, in MB."""
    done = subprocess.run(
        [sys.executable, __file__, f"--epoch_of={rows}"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main(_):
    """Measures every number of rows."""
    if flags.FLAGS.epoch_of:
        train(flags.FLAGS.epoch_of)
        return
    counts = [int(rows) for rows in flags.FLAGS.rows]
    peaks = timing.take_turns(
        {rows: (lambda rows=rows: peak(rows)) for rows in counts},
        flags.FLAGS.rounds,
    )
    figures = [
        timing.figure(f"{rows:,} rows", "MB", values)
        for rows, values in peaks.items()
    ]
    first, *_, last = counts
    ratios = timing.ratios(peaks[last], peaks[first])
    figures.append(
        timing.figure(f"{last:,} rows / {first:,} rows", "x", ratios)
    )
    timing.report("memory", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
