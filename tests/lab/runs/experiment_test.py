import csv
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_pseudolabel.lab.data import digits
from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import read_recipe
from tf_pseudolabel.lab.runs import experiment, jobs, pictures

ARMS = ["supervised", "pseudo_label"]
SIZES = {"labeled": 50, "unlabeled": 200, "validation": 30, "test": 60}
SERVE = """
import sys
import numpy as np
import tensorflow as tf
images = np.load("images.npy")
loaded = tf.saved_model.load(sys.argv[1])
answer = loaded.signatures["serving_default"](tf.constant(images))
np.savez("answer.npz", **{name: part.numpy() for name, part in answer.items()})
strangers = {name.partition(".")[0] for name in sys.modules}
assert "tf_pseudolabel" not in strangers
"""


def _read(path, name):
    return json.loads((path / name).read_text(encoding="utf-8"))


def _rows_of(ids):
    """The images and classes of digits by id, straight from scikit-learn."""
    from sklearn.datasets import load_digits

    rows = [int(name.removeprefix("digits/")) for name in ids]
    found = load_digits()
    return found.images[rows].astype(np.uint8)[..., None], found.target[rows]


def _history(path):
    with (path / "history.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_holds_the_files_of_the_design_and_no_others(finished_run):
    files = {
        path.relative_to(finished_run).as_posix()
        for path in finished_run.rglob("*")
        if path.is_file()
    }
    tensorboard = {file for file in files if file.startswith("tensorboard/")}
    assert files - tensorboard == {
        f"checkpoints/{arm}/{file}"
        for arm in ARMS
        for file in (
            "checkpoint",
            # The last three of four.
            *(f"ckpt-{number}.index" for number in (2, 3, 4)),
            *(f"ckpt-{n}.data-00000-of-00001" for n in (2, 3, 4)),
        )
    } | {
        "recipe.json",
        "split.json",
        "classes.json",
        "metrics.json",
        "history.csv",
        "checkpoints/supervised.keras",
        "classifier.keras",
        *(f"best/{arm}.keras" for arm in ARMS),
        "report.html",
        "review.csv",
        "saved_model/saved_model.pb",
        "saved_model/assets.extra/about.json",
        "saved_model/fingerprint.pb",
        "saved_model/variables/variables.index",
        "saved_model/variables/variables.data-00000-of-00001",
        "figures/learning_curves.png",
        "figures/tsne.png",
        "figures/confident_mistakes.png",
    }
    events = {file for file in tensorboard if "events.out" in file}
    assert tensorboard - events == {
        f"tensorboard/{file}"
        for file in (
            *("projector_config.pbtxt", "metadata.tsv", "sprite.png"),
            *("supervised.tsv", "pseudo_label.tsv"),
        )
    }
    assert {str(pathlib.PurePath(file).parent) for file in events} == {
        f"tensorboard/{arm}/{part}"
        for arm in ARMS
        for part in ("train", "validation")
    }


def test_recipe_is_all_that_is_needed_to_run_it_again(
    finished_run, tiny_recipe
):
    assert read_recipe(finished_run / "recipe.json") == tiny_recipe
    versions = _read(finished_run, "recipe.json")["versions"]
    assert versions["tensorflow"] == tf.__version__
    assert versions["keras"] == keras.__version__
    assert versions["numpy"] == np.__version__


def test_split_is_of_four_disjoint_sets(finished_run):
    split = _read(finished_run, "split.json")
    assert {name: len(ids) for name, ids in split.items()} == SIZES
    ids = [name for part in split.values() for name in part]
    assert len(set(ids)) == sum(SIZES.values())
    _, classes = _rows_of(split["labeled"])
    np.testing.assert_array_equal(np.bincount(classes), [5] * 10)


def test_metrics_count_by_hand(finished_run):
    metrics = _read(finished_run, "metrics.json")
    assert list(metrics) == ARMS
    # ceil(50 / 20) updates in the labeled epoch, 3 * ceil(200 / 64) after it.
    for arm, unlabeled in zip(ARMS, (0, 200), strict=True):
        figures = metrics[arm]
        assert figures.pop("train_seconds") > 0
        assert 0 <= figures.pop("test_error_percent") <= 100
        entropy = figures.pop("conditional_entropy")
        assert entropy.keys() == {"train", "unlabeled", "test"}
        assert all(0 <= value <= np.log(10) for value in entropy.values())
        accuracies = [
            float(row["val_accuracy"])
            for row in _history(finished_run)
            if row["arm"] == arm
        ]
        assert figures.pop("validation") == {
            "accuracy": accuracies[-1],
            "best_accuracy": max(accuracies),
            "best_epoch": accuracies.index(max(accuracies)),
        }
        assert 0 <= figures.pop("right_alone") <= 60
        assert figures == {
            "largest_alpha": float(unlabeled > 0),
            "test_examples": 60,
            "labeled_examples": 50,
            "unlabeled_examples": unlabeled,
            "epochs": 4,
            "updates": 3 + 3 * 4,
        }


def test_history_has_a_row_per_arm_and_epoch(finished_run):
    history = _history(finished_run)
    assert [(row["arm"], row["epoch"]) for row in history] == [
        (arm, str(epoch)) for arm in ARMS for epoch in range(4)
    ]
    alphas = [float(row["alpha"]) for row in history]
    assert alphas == [*[0, 0, 0, 0], *[0, 0, 0.5, 1]]
    for row in history:
        assert np.isfinite([float(row["loss"]), float(row["val_loss"])]).all()
        # A share of 30 rows.
        right = 30 * float(row["val_accuracy"])
        assert right == pytest.approx(round(right), abs=1e-4)


def test_history_of_the_unlabeled_rows(finished_run):
    supervised, pseudo_label = (
        [row for row in _history(finished_run) if row["arm"] == arm]
        for arm in ARMS
    )
    for row in supervised:
        assert row["labeled_loss"] == row["loss"]
        assert float(row["unlabeled_loss"]) == 0
        assert row["pseudo_label_accuracy"] == ""
    accuracies = [row["pseudo_label_accuracy"] for row in pseudo_label]
    assert accuracies[:2] == ["", ""]  # Not looked at while alpha is 0.
    for accuracy in accuracies[2:]:
        right = 200 * float(accuracy)
        assert right == pytest.approx(round(right), abs=1e-3)
    unlabeled = [float(row["unlabeled_loss"]) for row in pseudo_label]
    assert unlabeled[:2] == [0, 0]
    assert min(unlabeled[2:]) > 0
    for row, same in zip(pseudo_label[:2], supervised[:2], strict=True):
        assert row["loss"] == row["labeled_loss"] == same["loss"]
        assert row["val_loss"] == same["val_loss"]


def test_saved_model_serves_without_this_package(finished_run, tmp_path):
    """Test error and entropy follow from the SavedModel and split.json."""
    split = _read(finished_run, "split.json")
    images, classes = _rows_of(split["test"])
    np.save(tmp_path / "images.npy", images)
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    subprocess.run(
        [sys.executable, "-I", script, finished_run / "saved_model"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    answer = np.load(tmp_path / "answer.npz", allow_pickle=True)
    figures = _read(finished_run, "metrics.json")["pseudo_label"]
    names = _read(finished_run, "classes.json")
    wrong = sum(
        label.decode() != names[true]
        for label, true in zip(answer["label"], classes, strict=True)
    )
    assert figures["test_error_percent"] == round(100 * wrong / 60, 4)
    p = answer["probabilities"].astype(np.float64)
    np.testing.assert_array_equal(answer["confidence"], p.max(axis=1))
    assert figures["conditional_entropy"]["test"] == pytest.approx(
        -(p * np.log(p)).sum(axis=1).mean(), rel=1e-4
    )
    classifier = keras.saving.load_model(finished_run / "classifier.keras")
    softmax = keras.ops.softmax(classifier(images))
    np.testing.assert_allclose(softmax, p, atol=1e-6)


def test_saved_classifiers_are_what_was_measured(finished_run):
    images, classes = _rows_of(_read(finished_run, "split.json")["test"])
    metrics = _read(finished_run, "metrics.json")
    files = ("checkpoints/supervised.keras", "classifier.keras")
    for arm, file in zip(ARMS, files, strict=True):
        model = keras.saving.load_model(finished_run / file)
        wrong = np.argmax(model(images), axis=1) != classes
        assert metrics[arm]["test_error_percent"] == round(
            100 * wrong.mean(), 4
        )


def test_evaluate_computes_what_was_recorded(finished_run):
    computed, recorded = experiment.evaluate(finished_run)
    assert recorded == _read(finished_run, "metrics.json")
    for arm in ARMS:
        entropy = computed[arm].pop("conditional_entropy")
        expected = recorded[arm].pop("conditional_entropy")
        assert entropy == pytest.approx(expected, rel=1e-5)
    assert computed == recorded


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("metrics.json", None, r"holds metrics\.json"),
        ("metrics.json", b"{", r"must be JSON"),
        ("metrics.json", b"[]", r"figures of supervised and pseudo_label"),
        ("metrics.json", b'{"a": {}}', r"figures of supervised and pseudo"),
        ("recipe.json", None, r"recipe\.json"),
        ("split.json", b'{"test": []}', r"split must hold"),
        ("classifier.keras", None, r"holds a classifier in .*classifier\."),
        ("classifier.keras", b"PK", r"cannot be loaded"),
        ("checkpoints/supervised.keras", None, r"classifier in .*supervised"),
    ],
)
def test_evaluate_refuses_a_broken_run(
    file, content, problem, finished_run, tmp_path
):
    path = shutil.copytree(finished_run, tmp_path / "run")
    (path / file).unlink()
    if content is not None:
        (path / file).write_bytes(content)
    with pytest.raises(InputError, match=problem):
        experiment.evaluate(path)


def test_a_cut_classifier_is_refused(finished_run, tmp_path):
    path = shutil.copytree(finished_run, tmp_path / "run")
    whole = (path / "classifier.keras").read_bytes()
    (path / "classifier.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cannot be loaded"):
        experiment.evaluate(path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"num_labeled": 1296, "num_unlabeled": None},
            r"balanced.*lower num_labeled",
        ),
        ({"num_labeled": 5}, r"at least 10, one per class; got 5"),
        ({"num_validation": 5000}, r"num_validation must be at most"),
        ({"num_test": 501}, r"num_test must be at most 500"),
        ({"labeled_batch": 51}, r"--labeled_batch .*got 51 for 50 .*Lower"),
        ({"unlabeled_batch": 201}, r"--unlabeled_batch .*got 201 for 200"),
        ({"dataset": "folders"}, r'"folders" needs --labeled_dir'),
        ({"image_size": 16}, r"--image_size does not apply"),
    ],
)
def test_what_does_not_fit_leaves_nothing(
    changes, problem, tiny_recipe, tmp_path
):
    recipe = dataclasses.replace(tiny_recipe, **changes)
    with pytest.raises(InputError, match=problem):
        experiment.run(recipe, tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []


def test_images_too_small_for_the_network_leave_nothing(
    tiny_recipe, tmp_path, monkeypatch
):
    whole = digits.load()

    def cropped(part):
        return Examples(part.read()[:, :3, :3], part.labels, part.ids)

    small = dataclasses.replace(
        whole, train=cropped(whole.train), test=cropped(whole.test)
    )
    monkeypatch.setattr(jobs, "load_data", lambda recipe: small)
    recipe = dataclasses.replace(tiny_recipe, network="conv")
    with pytest.raises(InputError, match=r"at least 4x4.*got 3x3"):
        experiment.run(recipe, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_batches_are_shared_by_replicas(
    tiny_recipe, tmp_path, monkeypatch, two_replicas
):
    monkeypatch.setattr(
        experiment.cluster, "get_strategy", lambda name: two_replicas
    )
    recipe = dataclasses.replace(tiny_recipe, labeled_batch=25)
    with pytest.raises(InputError, match=r"--labeled_batch .*of 2; got 25"):
        experiment.run(recipe, tmp_path / "run")


def _begun(run, path):
    """A run that was interrupted before its first checkpoint."""
    path.mkdir()
    for name in ("recipe.json", "split.json"):
        shutil.copy(run / name, path)
    return path


def _other_order(data):
    order = np.arange(len(data.train))[::-1]
    return dataclasses.replace(data, train=data.train.take(order))


def _other_names(data):
    ids = np.array([f"new/{name}" for name in data.train.ids])
    return dataclasses.replace(
        data, train=dataclasses.replace(data.train, ids=ids)
    )


@pytest.mark.parametrize("change", [_other_order, _other_names])
def test_data_that_changed_since_the_run_began_are_refused(
    change, finished_run, tiny_recipe, tmp_path, monkeypatch
):
    path = _begun(finished_run, tmp_path / "run")
    changed = change(digits.load())
    monkeypatch.setattr(jobs, "load_data", lambda recipe: changed)
    with pytest.raises(
        InputError, match=rf"not those with which the run in {path} began.*Name"
    ):
        experiment.run(tiny_recipe, path)
    assert {file.name for file in path.iterdir()} == {
        "recipe.json",
        "split.json",
    }


def test_another_recipe_is_refused_and_named(
    finished_run, tiny_recipe, tmp_path
):
    path = _begun(finished_run, tmp_path / "run")
    recipe = dataclasses.replace(tiny_recipe, seed=4, epochs=5)
    with pytest.raises(
        InputError,
        match=r"with other flags: --epochs=4 \(now 5\), --seed=3 \(now 4\)\.",
    ):
        experiment.run(recipe, path)


def test_a_finished_run_is_not_trained_again(
    finished_run, tiny_recipe, tmp_path, capsys, monkeypatch
):
    path = shutil.copytree(finished_run, tmp_path / "run")
    before = {
        file: file.stat().st_mtime_ns
        for file in path.rglob("*")
        if file.is_file()
    }
    # Not even the data are read.
    monkeypatch.delattr(jobs, "load_data")
    metrics = experiment.run(tiny_recipe, path)
    assert metrics == _read(finished_run, "metrics.json")
    assert "is finished; nothing is trained" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"num_labeled": 50, "labeled_batch": 20},
            r"--num_labeled must be .* --labeled_batch; got 50 and 20\. "
            r"Try --num_labeled=40\.",
        ),
        (
            {"labeled_batch": 25, "unlabeled_batch": 64},
            r"--num_unlabeled must .*; got 200 and 64\. Try "
            r"--num_unlabeled=192\.",
        ),
    ],
)
def test_a_tpu_needs_batches_of_one_size(
    changes, problem, tiny_recipe, tmp_path, monkeypatch
):
    """The default strategy stands in for a TPU, which nobody has here."""
    monkeypatch.setattr(
        experiment.cluster,
        "get_strategy",
        lambda name: tf.distribute.get_strategy(),
    )
    recipe = dataclasses.replace(tiny_recipe, strategy="tpu", **changes)
    with pytest.raises(InputError, match=problem):
        experiment.run(recipe, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


AS_NOBODY = """
import os
from tf_pseudolabel.lab.cli import program
from tf_pseudolabel.lab.runs import run_directory

def main(argv):
    # Not before all is imported, which the other user may not be able to read.
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    with run_directory.opened(argv[1]):
        print("opened")

program.run(main, "")
"""


@pytest.mark.parametrize("inside", ["", "run"])
@pytest.mark.skipif(os.getuid() != 0, reason="must become another user")
def test_a_directory_that_is_not_ours_to_write_to(inside):
    # pytest's own directories cannot be entered by others.
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        path = pathlib.Path(path)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, path / inside],
            capture_output=True,
            text=True,
        )
        assert list(path.iterdir()) == []
    assert done.stderr == (
        "-c: --output_dir must be a directory that can be written to; got "
        f"{path / inside}: Permission denied. Name another directory.\n"
    )
    assert done.stdout == ""
    assert done.returncode == 1


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_precision_is_set_for_the_run_alone(precision, tiny_recipe):
    recipe = dataclasses.replace(tiny_recipe, mixed_precision=precision)
    before = keras.config.dtype_policy().name
    with pytest.raises(KeyError), experiment.precision(recipe):
        assert keras.config.dtype_policy().name == f"mixed_{precision}"
        raise KeyError
    assert keras.config.dtype_policy().name == before


def test_classes_are_named_in_the_order_of_the_outputs(finished_run):
    assert _read(finished_run, "classes.json") == list("0123456789")


def test_results_are_there_before_anything_is_drawn(
    finished_run, tiny_recipe, tmp_path, monkeypatch, capsys
):
    """A picture that fails costs nothing; given again, it is made."""
    path = shutil.copytree(finished_run, tmp_path / "run")
    before = _read(path, "metrics.json")
    for name in ("metrics.json", "report.html", "history.csv"):
        (path / name).unlink()
    shutil.rmtree(path / "saved_model")
    shutil.rmtree(path / "figures")
    seen = []

    def fail(found, run_dir):
        files = ("metrics.json", "classifier.keras", "saved_model")
        seen.append([(path / file).exists() for file in files])
        raise ValueError("no formula")

    with monkeypatch.context() as context:
        context.setattr(pictures, "write", fail)
        metrics = experiment.run(tiny_recipe, path)
        experiment.run(tiny_recipe, path, with_pictures=False)
        assert seen == [[True] * 3]
        assert experiment.run(tiny_recipe, path) == metrics
        assert seen == [[True] * 3] * 2
    assert "left out: ValueError: no formula" in capsys.readouterr().err
    for figures in (*before.values(), *metrics.values()):
        figures.pop("train_seconds")
    assert metrics == before
    assert (path / "history.csv").read_text() == (
        finished_run / "history.csv"
    ).read_text()

    experiment.run(tiny_recipe, path)
    assert (path / "report.html").exists()
    assert len(list((path / "figures").iterdir())) == 3


@pytest.mark.parametrize(
    ("name", "is_folder"),
    [
        *(
            (name, True)
            for name in (
                *("tensorboard", "checkpoints", "figures", "best"),
                *("saved_model", "tensorboard/supervised"),
                "checkpoints/pseudo_label",
            )
        ),
        *(
            (name, False)
            for name in (
                *("history.csv", "report.html", "classes.json"),
                *("classifier.keras", "best/supervised.keras"),
            )
        ),
    ],
)
def test_a_file_where_a_folder_is_and_the_reverse(
    name, is_folder, finished_run, tiny_recipe, tmp_path, monkeypatch
):
    path = _begun(finished_run, tmp_path / "run")
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).touch() if is_folder else (path / name).mkdir()
    monkeypatch.delattr(jobs, "load_data")
    kinds = "folder; got a file" if is_folder else "file; got a folder"
    with pytest.raises(InputError, match=rf"{name} must be a {kinds}. Move"):
        experiment.run(tiny_recipe, path)


@pytest.mark.parametrize(
    "address",
    [
        "http://host:5050",
        "grpcs://host:1",
        "grpc://",
        "grpc://host",
        "a b:1",
        "",
        "h:0",
        "h:99999",
    ],
)
def test_a_service_that_does_not_speak_our_protocol(
    address, tiny_recipe, tmp_path
):
    recipe = dataclasses.replace(tiny_recipe, data_service=address)
    with pytest.raises(
        InputError, match=rf"as grpc://host:port; got '{address}'"
    ):
        experiment.run(recipe, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"t1": 4.0, "t2": 9.0},
        {"t1": 3.0, "t2": 4.0},
        {"epochs": 1},
        {"epochs": 2, "labeled_epochs": 2, "t1": 2.0},
        {"t1": 9.0, "t2": 9.0, "ramp": "sigmoid"},
        {"alpha_f": 1e-60},
        {"stream": "alternating", "unlabeled_batches": 1, "t1": 30, "t2": 40},
    ],
)
def test_a_run_whose_alpha_stays_0_does_not_start(
    changes, tiny_recipe, tmp_path
):
    recipe = dataclasses.replace(tiny_recipe, **changes)
    with pytest.raises(
        InputError, match=r"above 0 in one epoch .* got t1=\d+ .* Lower --t1"
    ):
        experiment.run(recipe, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder_recipe(tmp_path, tiny_recipe):
    """Grey images of two classes, one of them no PNG, and a bad file."""
    root = tmp_path / "mine"
    for number in range(16):
        path = root / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((6, 6), 9 * number, np.uint8)
        Image.fromarray(pixels).save(path)
    (root / "a" / "bad.png").write_bytes(b"")
    Image.new("L", (6, 6), 77).save(root / "b" / "x.bmp")
    return dataclasses.replace(
        tiny_recipe,
        dataset="folders",
        labeled_dir=str(root),
        num_labeled=4,
        num_unlabeled=4,
        num_validation=2,
        num_test=2,
        labeled_batch=2,
        unlabeled_batch=2,
        on_bad_file="skip",
        cache="none",
    )


@pytest.mark.slow
def test_bad_files_are_listed_in_the_run(folder_recipe, tmp_path):
    experiment.run(folder_recipe, tmp_path / "run", with_pictures=False)
    lines = (tmp_path / "run" / "bad_files.txt").read_text()
    assert lines == f"{tmp_path}/mine/a/bad.png (empty)\n"


def test_a_service_cannot_read_what_pillow_reads(folder_recipe, tmp_path):
    recipe = dataclasses.replace(folder_recipe, data_service="host:5050")
    with pytest.raises(InputError, match=r"JPEG and PNG files alone.*=memory"):
        experiment.run(recipe, tmp_path / "run")


def test_results_are_told_once_they_are_written_and_before_pictures(
    tiny_recipe, tmp_path, monkeypatch, capsys
):
    path, told = tmp_path / "run", []

    def tell(metrics):
        assert metrics == json.loads((path / "metrics.json").read_text())
        told.append((path / "report.html").exists())

    monkeypatch.setattr(
        pictures,
        "write",
        lambda results, run_dir: (run_dir / "report.html").write_text("page"),
    )
    experiment.run(tiny_recipe, path, tell=tell)
    assert told == [False]
    assert capsys.readouterr().out.endswith(f"Report: {path}/report.html\n")

    experiment.run(tiny_recipe, path, tell=tell)
    assert told == [False, True]


def test_a_run_does_not_go_on_with_other_values(tiny_recipe, tmp_path):
    """Of rows that are called the same; nor is it evaluated on them."""
    path = tmp_path / "a.csv"

    def write(factor):
        lines = [f"{i * i % 7 * factor},{'ab'[i % 2]}" for i in range(60)]
        path.write_text("\n".join(["x,label", *lines]))

    write(1)
    recipe = dataclasses.replace(
        tiny_recipe,
        dataset="table",
        network="table_mlp",
        data_file=str(path),
        label_column="label",
        num_labeled=10,
        num_unlabeled=None,
        num_validation=10,
        num_test=10,
        unlabeled_batch=8,
        labeled_batch=4,
        dropout=None,
        hidden_units=None,
    )
    run = tmp_path / "run"
    experiment.run(recipe, run, with_pictures=False)
    write(-1000)
    with pytest.raises(InputError, match=r"same names hold other values.*anot"):
        experiment.evaluate(run)
    (run / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"same names hold other values.*anot"):
        experiment.run(recipe, run, with_pictures=False)
    write(1)
    experiment.run(recipe, run, with_pictures=False)
    experiment.evaluate(run)
