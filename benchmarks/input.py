"""How long an update waits for images that are decoded as they are needed.

    .venv/bin/python benchmarks/input.py --output=input.json

The same updates are fed by the source "folders", without cache and from
memory, and by `keras.utils.image_dataset_from_directory`: conv on 28 x 28 PNG
files, 288 at once, and MobileNetV3Small on 224 x 224 JPEG files, 32 at once.
What starts and memory are, of up to a million files, `scale.py` measures.
"""

import os
import pathlib
import tempfile
import time

from absl import app, flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pictures
import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_integer("rounds", 5, "turns; the figures are their medians")
flags.DEFINE_integer("steps", 20, "updates of a turn; a quarter on JPEG")

BATCH = 288


def streams(folder, size, batch):
    """Endless batches of one folder, by who makes them."""
    import keras

    from tf_pseudolabel.lab.data import batches, folders

    def ours(cache):
        rows = folders.load(folder, cache=cache).train
        return batches.passes(rows, batch, seed=0, first=0, across=True)

    theirs = keras.utils.image_dataset_from_directory(
        folder,
        batch_size=batch,
        image_size=size[:2],
        color_mode="grayscale" if size[-1] == 1 else "rgb",
        seed=0,
        verbose=False,
    )
    return {
        "no cache": ours("none"),
        "memory": ours("memory"),
        "Keras": theirs.repeat().prefetch(2),
    }


def conv():
    """A compiled classifier of 28 x 28 pixels."""
    import subjects

    classifier, loss, optimizer = subjects.parts("conv")
    classifier.compile(optimizer, loss)
    return classifier


def mobile_net():
    """A compiled classifier of 224 x 224 pixels in colours."""
    import keras

    classifier = keras.applications.MobileNetV3Small(
        weights=None, classes=len(pictures.CLASSES)
    )
    classifier.compile("sgd", "sparse_categorical_crossentropy")
    return classifier


def updates(model, stream, steps):
    """Makes a function that returns the time of an update, and of waiting."""

    def measure():
        iterator = iter(stream)
        for _ in range(2):
            model.train_on_batch(*next(iterator))
        waited, start = 0.0, time.perf_counter()
        for _ in range(steps):
            before = time.perf_counter()
            batch = next(iterator)
            waited += time.perf_counter() - before
            model.train_on_batch(*batch)
        return (time.perf_counter() - start) / steps, waited / steps

    return measure


def compared(name, folder, size, batch, model, steps):
    """Figures of updates that are fed in three ways."""
    found = timing.take_turns(
        {
            feed: updates(model, stream, steps)
            for feed, stream in streams(folder, size, batch).items()
        },
        flags.FLAGS.rounds,
    )
    for feed, times in found.items():
        shares = [100 * waited / whole for whole, waited in times]
        yield timing.figure(f"{name}, {feed}: waits", "%", shares)
        milliseconds = [1000 * whole for whole, _ in times]
        yield timing.figure(f"{name}, {feed}: update", "ms", milliseconds)
    whole = {feed: [x for x, _ in times] for feed, times in found.items()}
    for other in ("memory", "Keras"):
        ratios = timing.ratios(whole["no cache"], whole[other])
        yield timing.figure(f"{name}, no cache / {other}", "x", ratios)


def main(_):
    """Measures updates, starts and memory."""
    steps, figures = flags.FLAGS.steps, []
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        # First starts are first, and leave nothing behind.
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        pictures.write_png(folder / "png", 10 * BATCH)
        pictures.write_jpeg(folder / "jpeg", 320)
        for given in (
            ("PNG", folder / "png", (28, 28, 1), BATCH, conv(), steps),
            (
                *("JPEG", folder / "jpeg", (224, 224, 3), 32),
                *(mobile_net(), max(steps // 4, 1)),
            ),
        ):
            figures += compared(*given)
    timing.report("input", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
