"""Times the products of an update alone, and the update beside them.

    .venv/bin/python benchmarks/kernels.py --output=kernels.json

The convolutions and matrix products of the networks `conv` and `mlp`, forth and
back, for 32 labeled and 256 unlabeled rows, pseudo-labels from a pass of their
own: each by itself. In turns with them: the update under `fit`, and a large
matrix product. The last lines of a network say which share of that rate an
update would reach if it did nothing else, and how much longer it takes.
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
flags.DEFINE_integer("steps", 30, "products or updates per turn")
flags.DEFINE_list("networks", ["conv", "mlp"], "which networks")

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


def figures_of(network, found, times):
    """The lines of the table.

    Args:
        network: Its name.
        found: What `products.of_update` returned.
        times: Dict from the names in `found` to their seconds, turn by turn;
            `"fit"` to those of an update, and `"rate"` to the operations per
            second of a large product.
    """
    times = dict(times)
    rates, of_fit = times.pop("rate"), times.pop("fit")
    lines = [
        _line(
            f"{network}: a large product",
            "GFLOP/s",
            [rate / 1e9 for rate in rates],
        )
    ]
    for name, values in times.items():
        count = found[name][1]
        lines += [
            _milliseconds(f"{network}: {name}", values),
            _line(
                f"{network}: {name}: rate",
                "GFLOP/s",
                [count / v / 1e9 for v in values],
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
        _milliseconds(f"{network}: all", whole),
        _milliseconds(f"{network}: fit", of_fit),
        timing.figure(
            f"{network}: all: share of the rate", "x", shares, better="higher"
        ),
        timing.figure(
            f"{network}: fit / all", "x time", timing.ratios(of_fit, whole)
        ),
    ]


def _milliseconds(name, values):
    return _line(name, "ms", [1e3 * value for value in values])


def _line(name, unit, values):
    return timing.figure(name, unit, values, better=None)


def measured(network, rounds, steps):
    """The figures of a network."""
    setting = subjects.Setting(network, LABELED, "inference")
    classifier, *_ = subjects.parts(network)
    found = products.of_update(classifier, LABELED, subjects.ROWS_U)
    contenders = {
        name: timed(product, steps) for name, (product, _) in found.items()
    }
    contenders["fit"] = subjects.time_of_fit(
        subjects.pseudo_label_model(setting),
        subjects.merged_stream(LABELED),
        steps,
    )
    contenders["rate"] = arithmetic.rate
    return figures_of(network, found, timing.take_turns(contenders, rounds))


def main(_):
    """Measures every network."""
    figures = []
    for network in flags.FLAGS.networks:
        figures += measured(network, flags.FLAGS.rounds, flags.FLAGS.steps)
    timing.report("kernels", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
