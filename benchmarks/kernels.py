"""Times the products of an update alone, each by itself: how fast could it be?

    .venv/bin/python benchmarks/kernels.py --output=kernels.json

The convolutions of the network `conv` and its matrix products, forth and back,
for 32 labeled and 256 unlabeled rows, pseudo-labels from a pass of their own;
and the rate of a large matrix product. The last line says which share of that
rate an update would reach if it did nothing else.
"""

import os
import time

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import arithmetic
import products
import subjects
import tensorflow as tf
import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_integer("rounds", 7, "turns; the figures are their medians")
flags.DEFINE_integer("steps", 30, "products per turn")

LABELED = 32


def timed(product, steps):
    """Makes a function that returns the time of a product."""
    product = tf.function(product)
    product()  # Traces it.

    def measure():
        start = time.perf_counter()
        for _ in range(steps):
            found = product()
        found[0, 0].numpy()
        return (time.perf_counter() - start) / steps

    return measure


def figures_of(found, times, rates):
    """The lines of the table.

    Args:
        found: What `products.of_update` returned.
        times: Dict from the name of a product to its seconds, turn by turn.
        rates: Operations per second of a large product, turn by turn.
    """
    lines = [
        _line("a large product", "GFLOP/s", [rate / 1e9 for rate in rates])
    ]
    for name, values in times.items():
        count = found[name][1]
        lines += [
            _line(name, "ms", [1e3 * value for value in values]),
            _line(
                f"{name}: rate", "GFLOP/s", [count / v / 1e9 for v in values]
            ),
        ]
    whole = [sum(values) for values in zip(*times.values(), strict=True)]
    count = sum(count for _, count in found.values())
    shares = [
        count / seconds / rate
        for seconds, rate in zip(whole, rates, strict=True)
    ]
    return [
        *lines,
        _line("all", "ms", [1e3 * value for value in whole]),
        timing.figure("all: share of the rate", "x", shares, better="higher"),
    ]


def _line(name, unit, values):
    return timing.figure(name, unit, values, better=None)


def main(_):
    """Takes turns and prints the medians."""
    classifier, *_ = subjects.parts("conv")
    found = products.of_update(classifier, LABELED, subjects.ROWS_U)
    contenders = {
        name: timed(product, flags.FLAGS.steps)
        for name, (product, _) in found.items()
    }
    contenders["rate"] = arithmetic.rate
    times = timing.take_turns(contenders, flags.FLAGS.rounds)
    rates = times.pop("rate")
    timing.report(
        "kernels", figures_of(found, times, rates), flags.FLAGS.output
    )


if __name__ == "__main__":
    app.run(main)
