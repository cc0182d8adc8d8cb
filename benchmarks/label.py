"""How long it takes to label MNIST beside `predict`, and in how much memory.

    .venv/bin/python benchmarks/label.py --output=label.json

`bin/label` by Beam's embedded runner: over 60,000 and 1,000,000 rows of noise
and over a single one, each in a process of its own; and MNIST's 60,000 training
images, from an array and from PNG files in records, in turns with
`model.predict` over the array in memory, with as many rows at once as labelling
takes and with Keras' own 32. Needs prepared MNIST in TFDS_DATA_DIR.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from absl import app, flags, logging

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("NO_GCE_CHECK", "true")

import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_integer("rounds", 3, "turns; the figures are their medians")
flags.DEFINE_list("rows", ["60000", "1000000"], "rows of noise, fewest first")
flags.DEFINE_bool("speed", True, "measure MNIST, too, which must be prepared")
flags.DEFINE_string("prepare", None, "write models to there, in this process")

NETWORKS = {"mlp": {"hidden_units": 512}, "conv": {}}
FEATURES = """{"input": {"name": "image", "dtype": "image"},
 "label": {"name": "label", "dtype": "int64"}}"""


def built(network):
    """A classifier of pixels, from 0 to 255."""
    import keras
    import subjects

    from tf_pseudolabel.lab import networks

    keras.utils.set_random_seed(0)
    return networks.build(network, subjects.SPEC, 10, **NETWORKS[network])


def prepare(folder):
    """Writes a SavedModel of every network."""
    import subjects

    from tf_pseudolabel.lab.data.kinds import Encoding, Images
    from tf_pseudolabel.lab.serving import saved_model

    logging.set_verbosity(logging.ERROR)
    kind = Images(shape=tuple(subjects.SPEC.shape))
    names = [str(x) for x in range(10)]
    for network in NETWORKS:
        saved_model.write(
            built(network),
            Encoding(subjects.SPEC),
            kind,
            names,
            "softmax",
            str(folder / network),
        )


def write_noise(path, count):
    """Writes rows of 28 x 28 pixels, some at a time."""
    import numpy as np

    rng = np.random.default_rng(0)
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 28, 28, 1))
    for start in range(0, count, 10_000):
        some = rows[start : start + 10_000]
        some[:] = rng.integers(0, 256, some.shape, np.uint8)
    rows.flush()


def program(folder, rows, *arguments):
    """Seconds and peak MB of `bin/label` over noise, in a process."""
    path, output = folder / f"{rows}.npy", folder / "noise"
    if not path.exists():
        write_noise(path, rows)
    start = time.perf_counter()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tf_pseudolabel.lab.cli.label"),
            *(folder / "mlp", f"--input={path}", f"--output={output}"),
            *arguments,
        ],
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise RuntimeError(f"bin/label ended with status {status}")
    shutil.rmtree(output)
    # Kilobytes, on Linux.
    return seconds, used.ru_maxrss / 1024


def memory(folder):
    """Figures of processes over few and over many rows."""
    few, many = (int(x) for x in flags.FLAGS.rows)
    rules = ("--share=0.5", "--balance")
    for name, given in (("all rows", ()), ("share, balance", rules)):
        peaks = {}
        for rows in (few, many):
            seconds, peaks[rows] = program(folder, rows, *given)
            what = f"{name}: {rows:,} rows of noise"
            yield timing.figure(f"{what}: program", "s", [seconds])
            yield timing.figure(f"{what}: peak", "MB", [peaks[rows]])
        ratio = peaks[many] / peaks[few]
        yield timing.figure(f"{name}: peak, {many:,} / {few:,}", "x", [ratio])
    seconds, _ = program(folder, 1)
    yield timing.figure("a single row: program, its start-up", "s", [seconds])


def write_mnist(folder):
    """Writes MNIST as an array and as records; returns the array."""
    import numpy as np
    import tensorflow_datasets as tfds

    builder = tfds.builder("mnist")
    data = builder.as_dataset(split="train", batch_size=-1)
    images = data["image"].numpy()
    np.save(folder / "mnist.npy", images)
    (records,) = pathlib.Path(builder.data_dir).glob("mnist-train.tfrecord-*")
    shutil.copy(records, folder / "mnist.tfrecord")
    (folder / "features.json").write_text(FEATURES)
    return images


def labelling(folder, network, name):
    """Makes a function that labels a file and returns seconds."""
    from tf_pseudolabel.lab.serving import requests
    from tf_pseudolabel.lab.serving.labelling import job

    options = requests.Options(features_file=str(folder / "features.json"))
    output = folder / "labels"

    def measure():
        start = time.perf_counter()
        job.run(
            job.Job(
                str(folder / network),
                (str(folder / name),),
                str(output),
                options,
            )
        )
        seconds = time.perf_counter() - start
        shutil.rmtree(output)
        return seconds

    return measure


def predicting(model, images, batch):
    """Makes a function that predicts an array and returns seconds."""

    def measure():
        start = time.perf_counter()
        model.predict(images, batch, verbose=0)
        return time.perf_counter() - start

    return measure


def speed(folder):
    """Figures of labelling beside `predict`."""
    images = write_mnist(folder)
    for network in NETWORKS:
        model = built(network)
        contenders = {
            "predict, 256 at once": predicting(model, images, 256),
            "predict, 32 at once": predicting(model, images, 32),
            "array": labelling(folder, network, "mnist.npy"),
            "records": labelling(folder, network, "mnist.tfrecord"),
        }
        for measure in contenders.values():
            measure()
        times = timing.take_turns(contenders, flags.FLAGS.rounds)
        for name, seconds in times.items():
            yield timing.figure(f"{network}: {name}", "s", seconds)
        for name in ("array", "records"):
            for batch in (256, 32):
                over = f"predict, {batch} at once"
                yield timing.figure(
                    f"{network}: {name} / {over}",
                    "x",
                    timing.ratios(times[name], times[over]),
                )


def main(_):
    """Measures memory and speed."""
    if flags.FLAGS.prepare:
        prepare(pathlib.Path(flags.FLAGS.prepare))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        subprocess.run(
            [sys.executable, __file__, f"--prepare={folder}"], check=True
        )
        # Linux counts the memory of who starts a process, too: before any
        # TensorFlow is here.
        figures = [*memory(folder)]
        if flags.FLAGS.speed:
            figures += speed(folder)
    timing.report("label", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
