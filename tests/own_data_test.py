"""Real data of every kind, from files to a served model, as a user would."""

import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from tf_pseudolabel.lab.data import splits
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import read_recipe
from tf_pseudolabel.lab.runs import exports, results
from tf_pseudolabel.lab.serving.formats import FORMATS

# Two processes at least for each set.
pytestmark = pytest.mark.slow

# What is prepared lies beside TFDS's directory; it may be missing elsewhere.
DATA = pathlib.Path(os.environ.get("TFDS_DATA_DIR", "/nowhere")).parent
SHORT = ["--epochs=4", "--t1=1", "--t2=3", "--nopictures"]
SERVE = """
import sys
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
signature = model.signatures[sys.argv[3]]
rows = np.load(sys.argv[2])
(only, *_) = signature.structured_input_signature[1]
given = {only if n == "only" else n: tf.constant(rows[n]) for n in rows.files}
answer = signature(**given)
assert "tf_pseudolabel" not in sys.modules
np.save(sys.argv[2], answer["label"].numpy().astype(bytes))
"""


def _needed(*names):
    paths = [DATA / name for name in names]
    for path in paths:
        if not path.exists():
            pytest.skip(f"{path.name} is not beside TFDS_DATA_DIR")
    return paths


def _folders(root):
    """Some 60 JPEG files of three of CIFAR-10's classes to train on."""
    (archive,) = _needed("cifar10_jpeg/images.tar.xz")
    wanted = re.compile(r"(train|test)/(cat|dog|ship)/00[0-5]\d\.jpg")
    with tarfile.open(archive) as files:
        for member in files:
            if wanted.fullmatch(member.name.removeprefix("./")):
                files.extract(member, root, filter="data")
    return [
        *("--dataset=folders", f"--labeled_dir={root}/train"),
        *(f"--test_dir={root}/test", "--image_size=32", "--cache=none"),
        *("--num_labeled=60", "--labeled_batch=12", "--unlabeled_batch=24"),
    ]


def _texts(root):
    train, test = _needed("banking77/train.csv", "banking77/test.csv")
    return [
        *("--dataset=text", f"--data_file={train}", f"--test_file={test}"),
        *("--text_column=text", "--label_column=category"),
        *("--num_labeled=770", "--num_unlabeled=2000"),
    ]


def _table(root):
    (file,) = _needed("adult/adult.csv")
    return [
        *("--dataset=table", f"--data_file={file}"),
        *("--label_column=income-per-year", "--num_labeled=200"),
        "--num_unlabeled=3000",
    ]


def _mnist():
    tfds = pytest.importorskip("tensorflow_datasets")
    _needed("tfds/mnist")
    parts = tfds.load("mnist", data_dir=DATA / "tfds", batch_size=-1)
    return {
        name: (part["image"].numpy()[:3000], part["label"].numpy()[:3000])
        for name, part in parts.items()
    }


def _images_of_arrays(root):
    parts = _mnist()
    arrays = {
        f"{letter}_{name}": array
        for name, pair in parts.items()
        for letter, array in zip("xy", pair, strict=True)
    }
    np.savez(root / "mnist.npz", **arrays)
    return [
        *("--dataset=arrays", f"--data_file={root}/mnist.npz"),
        "--num_labeled=100",
    ]


def _records(root):
    def of(kind, value):
        return tf.train.Feature(**{f"{kind}_list": {"value": [value]}})

    for name, pair in _mnist().items():
        with tf.io.TFRecordWriter(str(root / f"{name}.tfrecord")) as writer:
            for image, label in zip(*pair, strict=True):
                png = tf.io.encode_png(image).numpy()
                feature = {
                    "image": of("bytes", png),
                    "label": of("int64", int(label)),
                }
                features = tf.train.Features(feature=feature)
                example = tf.train.Example(features=features)
                writer.write(example.SerializeToString())
    described = {
        "input": {"name": "image", "dtype": "image"},
        "label": {"name": "label", "dtype": "int64"},
    }
    (root / "features.json").write_text(json.dumps(described))
    return [
        *("--dataset=tfrecord", f"--features_file={root}/features.json"),
        f"--data_file={root}/train.tfrecord",
        *(f"--test_file={root}/test.tfrecord", "--num_labeled=100"),
    ]


def _wine(root):
    x, y = datasets.load_wine(return_X_y=True)
    np.savez(root / "wine.npz", x_train=x, y_train=y)
    return [
        *("--dataset=arrays", f"--data_file={root}/wine.npz"),
        *("--num_labeled=15", "--labeled_batch=15", "--unlabeled_batch=32"),
    ]


def _breast_cancer(root):
    found = datasets.load_breast_cancer()
    with (root / "cancer.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*found.feature_names, "diagnosis"])
        names = found.target_names[found.target]
        rows.writerows([*x, y] for x, y in zip(found.data, names, strict=True))
    return [
        *("--dataset=table", f"--data_file={root}/cancer.csv"),
        *("--label_column=diagnosis", "--num_labeled=12"),
        *("--labeled_batch=12", "--unlabeled_batch=32"),
    ]


CASES = [
    *(_folders, _texts, _table, _images_of_arrays, _records, _wine),
    _breast_cancer,
]


def _program(name, *arguments):
    module = f"tf_pseudolabel.lab.cli.{name}"
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finished(process):
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, out[-2000:]
    return out


def _killed_in_the_pseudo_label_arm(process, run):
    """Kills a run whose second arm has a checkpoint."""
    end = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < end:
        file = run / "history.csv"
        if file.exists() and "pseudo_label,1" in file.read_text("utf-8"):
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, out[-2000:]


def _raw(recipe, data, test):
    """Raw test rows by the signature's names, and the signature.

    A name of None is that of the only input.
    """
    if recipe.test_dir:
        names = [name.removeprefix("test/") for name in test.ids]
        paths = [pathlib.Path(recipe.test_dir, name) for name in names]
        # JPEG files do not end with the zeros that NumPy would take off.
        return {None: np.array([path.read_bytes() for path in paths])}, "raw"
    rows = test.read()
    rows = rows if isinstance(rows, dict) else {None: rows}
    return {
        name and re.sub(r"\W", "_", name): (
            array.astype(bytes) if array.dtype == object else array
        )
        for name, array in rows.items()
    }, "serving_default"


def _served(run, rows, signature, directory):
    """Labels by a process that has TensorFlow alone."""
    np.savez(
        directory / "rows.npz",
        **{name or "only": array for name, array in rows.items()},
    )
    script = directory / "serve.py"
    script.write_text(SERVE)
    arguments = (run / "saved_model", directory / "rows.npz", signature)
    subprocess.run([sys.executable, "-I", script, *arguments], check=True)
    return np.load(directory / "rows.npz.npy")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_from_files_to_a_served_model(case, tmp_path):
    """Trained, killed, gone on with, evaluated, served: one error."""
    flags = [*case(tmp_path), *SHORT]
    run = tmp_path / "run"
    command = ("train", *flags, f"--output_dir={run}")

    _killed_in_the_pseudo_label_arm(_program(*command), run)
    assert "Continuing the interrupted run: pseudo_label" in _finished(
        _program(*command)
    )
    _finished(_program("evaluate", run))

    recipe = read_recipe(run / "recipe.json", as_run=True)
    data = results.load_data(recipe)
    test = splits.restore(data, _json(run / "split.json")).test
    labels = _served(run, *_raw(recipe, data, test), tmp_path)
    classes = _json(run / "classes.json")
    wrong = [
        label.decode() != classes[true]
        for label, true in zip(labels, test.labels, strict=True)
    ]
    figures = _json(run / "metrics.json")["pseudo_label"]
    assert figures["test_error_percent"] == round(100 * np.mean(wrong), 4)

    _check_exports(run, test, tmp_path)


def _check_exports(run, test, directory):
    """Every format is the classifier on test rows, or takes no strings."""
    specs = tf.nest.flatten(test.spec)
    strings = any(spec.dtype == tf.string for spec in specs)
    for name, row in FORMATS.items():
        given = (run, name, directory / f"exported{row.suffix or ''}")
        if strings and not row.strings:
            with pytest.raises(InputError, match="got strings as inputs"):
                exports.export(*given)
            continue
        outcome = exports.export(*given)
        count = min(len(test), 1000)
        assert outcome.compared == f"{count:,} test rows"
        assert outcome.exported.difference <= row.tolerance


def _json(path):
    return json.loads(path.read_text("utf-8"))
