"""Images per second of one worker on one core, and of two workers on two.

    .venv/bin/python benchmarks/scaling.py

Each worker is a process with one thread, bound to a core of its own; the
batches of a worker stay the same, so two workers train on a global batch twice
as large. One and two workers take turns, `--repeats` times; the medians are
compared. Linux only: it binds processes to cores.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

LABELED_BATCH, UNLABELED_BATCH = 64, 256


def train(workers, index, steps):
    """Trains in this process, one worker of several, and prints images/s.

    Args:
        workers: How many there are.
        index: Which one this is.
        steps: Steps that are timed.
    """
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[index]})
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    import keras
    import numpy as np
    import tensorflow as tf

    import tf_pseudolabel as tpl
    from tf_pseudolabel.lab import networks

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    strategy = tpl.get_strategy("multi_worker" if workers > 1 else "default")
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 255, (4096, 28, 28, 1))
    images = images.astype(np.uint8)
    labels = np.arange(len(images)) % 10

    def stream(*arrays, batch):
        data = tf.data.Dataset.from_tensor_slices(arrays).cache().repeat()
        return data.batch(batch * workers, drop_remainder=True)

    with strategy.scope():
        classifier = networks.build(
            "conv",
            tf.TensorSpec((28, 28, 1), tf.uint8),
            10,
            hidden_units=150,
            dropout=0.5,
        )
        model = tpl.PseudoLabelModel(classifier)
        model.compile(
            optimizer=keras.optimizers.SGD(0.01),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    model.alpha.assign(1.0)
    times = []
    model.fit(
        tpl.merge_streams(
            stream(images, labels, batch=LABELED_BATCH),
            stream(images, batch=UNLABELED_BATCH),
        ),
        epochs=2,  # The first one traces the step.
        steps_per_epoch=steps,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda *_: times.append(time.perf_counter()),
                on_epoch_end=lambda *_: times.append(time.perf_counter()),
            )
        ],
    )
    rows = workers * (LABELED_BATCH + UNLABELED_BATCH) * steps
    print(json.dumps({"images_per_second": rows / (times[3] - times[2])}))


def measure(workers, steps):
    """Starts the workers and returns what the first one measured.

    Args:
        workers: How many.
        steps: Steps that are timed.

    Returns:
        Float: images per second, of all workers together.
    """
    sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for found in sockets:
        found.close()
    processes = []
    for index in range(workers):
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": addresses}, "task": task}
        processes.append(
            subprocess.Popen(
                [
                    *(sys.executable, __file__, f"--steps={steps}"),
                    *("--worker", str(workers), str(index)),
                ],
                env={**os.environ, "TF_CONFIG": json.dumps(config)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
    first, *_ = [process.communicate()[0] for process in processes]
    return json.loads(first.splitlines()[-1])["images_per_second"]


def main():
    """Measures and prints a table, and JSON if asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--output", help="JSON file to write")
    parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        train(*arguments.worker, arguments.steps)
        return
    found = {1: [], 2: []}
    for _ in range(arguments.repeats):
        for workers, rates in found.items():
            rates.append(measure(workers, arguments.steps))
    medians = {workers: statistics.median(r) for workers, r in found.items()}
    for workers, rates in found.items():
        each = " ".join(f"{rate:.0f}" for rate in rates)
        print(
            f"{workers} worker(s): {medians[workers]:6.0f} images/s  ({each})"
        )
    ratio = medians[2] / medians[1]
    print(f"ratio: {ratio:.2f}")
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump({"images_per_second": found, "ratio": ratio}, file)


if __name__ == "__main__":
    main()
