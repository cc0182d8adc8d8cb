import csv
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

import tf_pseudolabel
from tf_pseudolabel import recipes
from tf_pseudolabel.cli import evaluate, train
from tf_pseudolabel.data.sources import SOURCES
from tf_pseudolabel.networks import NETWORKS
from tf_pseudolabel.recipes.recipe import Recipe, read_recipe

PACKAGE = pathlib.Path(tf_pseudolabel.__file__).parent
FIELDS = [field for field in dataclasses.fields(Recipe) if field.metadata]


def _program(*arguments, code="", **kwargs):
    """Runs the program without TensorFlow's settings of this process."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    run = f"from tf_pseudolabel.cli import train; {code or 'train.run()'}"
    return subprocess.run(
        [sys.executable, "-c", run, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        **kwargs,
    )


@pytest.fixture
def recipe_of(exit_status):
    """The recipe that the flags come to."""

    def call(*arguments):
        found = []

        def main(argv):
            found.append(train.recipe_from_flags())

        assert exit_status(main, *arguments) == 0
        return found[0]

    return call


def _json(path, name):
    return json.loads((path / name).read_text(encoding="utf-8"))


def test_without_flags_the_default_recipe(recipe_of):
    assert recipe_of() == recipes.RECIPES[recipes.DEFAULT]


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_recipes_by_name(name, recipe_of):
    assert recipe_of(f"--recipe={name}") == recipes.RECIPES[name]


def test_every_field_but_name_and_description_is_a_flag(exit_status):
    exit_status(lambda argv: None)
    assert {field.name for field in FIELDS} == {
        field.name for field in dataclasses.fields(Recipe)
    } - {"name", "description"}
    for field in FIELDS:
        assert flags.FLAGS[field.name].default is None
        assert field.metadata["help"] in flags.FLAGS[field.name].help


def _another(field, value):
    """A value of the field that is not `value`."""
    if field.metadata["choices"]:
        return next(x for x in field.metadata["choices"] if x != value)
    if field.metadata["below"] and train._kind(field) is float:
        return 0.25
    return {int: 7, float: 900.5, bool: not value, str: "/somewhere"}[
        train._kind(field)
    ]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_flag_beside_the_recipe_wins(field, recipe_of):
    before = dataclasses.replace(
        recipes.RECIPES["mnist_conv"], t2=1000.0, labeled_epochs=3
    )
    beside = "--recipe=mnist_conv", "--t2=1000", "--labeled_epochs=3"
    value = _another(field, getattr(before, field.name))
    text = f"--{field.name}={value}"
    found = recipe_of(*beside, text)
    assert getattr(found, field.name) == value
    assert found == dataclasses.replace(before, **{field.name: value})
    assert found != before


def test_directories_are_recorded_for_use_from_elsewhere(recipe_of):
    found = recipe_of("--data_dir=here")
    assert found.data_dir == os.path.join(os.getcwd(), "here")


def test_a_recorded_recipe_and_a_flag(finished_run, tiny_recipe, recipe_of):
    path = finished_run / "recipe.json"
    assert recipe_of(f"--recipe={path}") == tiny_recipe
    assert recipe_of(f"--recipe={path}", "--seed=8") == dataclasses.replace(
        tiny_recipe, seed=8
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--no_such_flag=1"], "no_such_flag"),
        (["--epochs=many"], "epochs=many"),
        (["--recipe=lenet"], "mnist_conv_joint, or a path"),
        (["--recipe=none.json"], "none.json"),
        (["--network=resnet"], "<conv|mlp>"),
        (["--strategy=gpu"], "<default|mirrored|multi_worker|tpu>"),
        (["--t1=9", "--t2=8"], "t1=9.0 and t2=8.0"),
        (["--alpha_f=-1"], "alpha_f must be at least 0; got -1.0"),
        (["--alpha_f=inf"], "alpha_f must be finite; got inf"),
        (["--dropout=1"], "dropout must be below 1; got 1.0"),
        (["stray"], "flags only; got 'stray'"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments, problem, exit_status, capsys, tmp_path
):
    out = tmp_path / "run"
    assert exit_status(train.main, f"--output_dir={out}", *arguments) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert problem in err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--num_labeled=1200"], "were asked of it; lower num_labeled"),
        (["--labeled_batch=51"], "got 51 for 50 examples"),
        (["--dataset=folders"], "needs --labeled_dir"),
        (["--dataset=folders", "--labeled_dir=/no/such"], "/no/such"),
        (["--dataset=no_such_set"], '"no_such_set"'),
    ],
)
def test_bad_input_is_one_line_and_status_1(
    arguments, problem, exit_status, capsys, tmp_path
):
    out = tmp_path / "run"
    assert exit_status(train.main, f"--output_dir={out}", *arguments) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert problem in err
    assert not out.exists()


def test_another_run_is_not_overwritten(finished_run, exit_status, capsys):
    before = (finished_run / "metrics.json").read_bytes()
    assert exit_status(train.main, f"--output_dir={finished_run}") == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "holds a run with other flags: " in err
    assert (finished_run / "metrics.json").read_bytes() == before


def test_output_dir_under_a_file(exit_status, capsys, tmp_path):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "run"
    assert exit_status(train.main, f"--output_dir={out}") == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert f"{out}: Not a directory" in err


def test_usage_error_of_the_program_itself(tmp_path):
    done = _program("--no_such_flag", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "no_such_flag" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_input_error_of_the_program_itself(tmp_path):
    """TensorFlow greets on stderr while it loads; the last line is ours."""
    done = _program("--num_labeled=1200", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "lower num_labeled" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_help_lists_what_there_is_and_loads_nothing_heavy():
    code = (
        "import atexit, sys; atexit.register(lambda: print("
        "'loaded:', {m.split('.')[0] for m in sys.modules})); train.run()"
    )
    done = _program("--help", code=code)
    assert done.returncode == 0
    assert done.stderr == ""
    text, loaded = done.stdout.split("loaded:")
    for name in (*recipes.RECIPES, *NETWORKS, *SOURCES):
        assert f"\n  {name}" in text
    for field in FIELDS:
        assert f"{field.name}\n      " in text
        assert field.metadata["help"] in text
    assert "--network\n      <conv|mlp>: the classifier (" in text
    assert "--num_labeled\n      labeled examples, class-balanced" in text
    default = recipes.RECIPES[recipes.DEFAULT]
    assert f"({default.name}: {default.num_labeled})" in text
    assert "'tf_pseudolabel'" in loaded
    for heavy in ("tensorflow", "keras", "sklearn", "matplotlib"):
        assert f"'{heavy}'" not in loaded


def test_table():
    figures = {
        "labeled_examples": 50,
        "unlabeled_examples": 1047,
        "test_error_percent": 11.3,
        "train_seconds": 12.34,
    }
    header, line = train.table({"pseudo_label": figures}).splitlines()
    assert header.split() == [
        *("arm", "labels", "unlabeled", "test", "error", "%", "seconds")
    ]
    assert line.split() == ["pseudo_label", "50", "1047", "11.30", "12.3"]
    assert len(header) == len(line)


def test_a_recorded_recipe_gives_the_same_run_again(
    finished_run, exit_status, capsys, tmp_path
):
    out = tmp_path / "again"
    arguments = f"--recipe={finished_run}/recipe.json", f"--output_dir={out}"
    assert exit_status(train.main, *arguments) == 0
    printed = capsys.readouterr().out
    before, after = (_json(x, "metrics.json") for x in (finished_run, out))
    assert train.table(after) in printed
    assert printed.endswith(f"\nRun directory: {out}\n")
    for metrics in (before, after):
        for figures in metrics.values():
            figures.pop("train_seconds")
    assert after == before
    for name in ("history.csv", "split.json"):
        assert (out / name).read_text() == (finished_run / name).read_text()


def _write_images(root, rows, digits):
    for row in rows:
        digit = digits.target[row]
        folder = root / f"class {digit}" if root.name != "bag" else root
        folder.mkdir(parents=True, exist_ok=True)
        image = (digits.images[row][..., None] * 15).astype(np.uint8)
        png = tf.io.encode_png(image).numpy()
        (folder / f"{row}.png").write_bytes(png)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Zeros, ones and twos: 45 labeled, 30 in a bag, 12 to test."""
    from sklearn.datasets import load_digits

    root = tmp_path_factory.mktemp("images")
    digits = load_digits()
    rows = [np.flatnonzero(digits.target == digit)[:29] for digit in range(3)]
    for name, part in (
        ("labeled", slice(15)),
        ("bag", slice(15, 25)),
        ("test", slice(25, 29)),
    ):
        _write_images(
            root / name, np.concatenate([x[part] for x in rows]), digits
        )
    return root


FOLDERS = (
    "--dataset=folders",
    "--num_labeled=6",
    "--num_validation=6",
    "--labeled_batch=6",
    "--unlabeled_batch=8",
    "--epochs=2",
    "--t1=0",
    "--t2=1",
)


def test_folders_with_nothing_but_labeled_images(
    folders, exit_status, capsys, tmp_path
):
    out = tmp_path / "run"
    arguments = f"--labeled_dir={folders}/labeled", f"--output_dir={out}"
    assert exit_status(train.main, *FOLDERS, *arguments) == 0
    split = _json(out, "split.json")
    # A fifth of the 45 is held out; what is left of them is unlabeled.
    assert {name: len(ids) for name, ids in split.items()} == {
        "labeled": 6,
        "unlabeled": 45 - 9 - 6 - 6,
        "validation": 6,
        "test": 9,
    }
    ids = {name for part in split.values() for name in part}
    assert len(ids) == 45
    assert all(name.startswith("labeled/class ") for name in ids)
    metrics = _json(out, "metrics.json")
    assert list(metrics) == ["supervised", "pseudo_label"]
    assert metrics["pseudo_label"]["updates"] == 2 * 3  # ceil(24 / 8)
    assert (out / "figures" / "confident_mistakes.png").exists()
    capsys.readouterr()
    assert exit_status(evaluate.main, out) == 0
    assert capsys.readouterr().out.startswith(train.table(metrics) + "\n")


def test_folders_of_all_three_kinds_without_baseline(
    folders, exit_status, tmp_path
):
    out = tmp_path / "run"
    status = exit_status(
        train.main,
        *FOLDERS,
        "--nobaseline",
        "--network=mlp",
        "--hidden_units=8",
        "--image_size=6",
        f"--labeled_dir={folders}/labeled",
        f"--unlabeled_dir={folders}/bag",
        f"--test_dir={folders}/test",
        f"--output_dir={out}",
    )
    assert status == 0
    split = _json(out, "split.json")
    assert sorted(split["unlabeled"]) == sorted(
        f"unlabeled/{path.name}" for path in (folders / "bag").iterdir()
    )
    assert sorted(split["test"]) == sorted(
        f"test/{path.relative_to(folders / 'test').as_posix()}"
        for path in (folders / "test").rglob("*.png")
    )
    metrics = _json(out, "metrics.json")
    assert list(metrics) == ["pseudo_label"]
    assert metrics["pseudo_label"]["unlabeled_examples"] == 30
    assert metrics["pseudo_label"]["updates"] == 2 * 4  # ceil(30 / 8)
    with (out / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    assert [(row["arm"], row["alpha"]) for row in history] == [
        ("pseudo_label", "0.0"),
        ("pseudo_label", "1.0"),
    ]
    # Nobody knows the classes of the bag.
    assert [row["pseudo_label_accuracy"] for row in history] == ["", ""]
    assert not (out / "figures" / "confident_mistakes.png").exists()
    assert not (out / "checkpoints" / "supervised.keras").exists()
    served = tf.saved_model.load(out / "saved_model")
    assert served.serve(np.zeros((5, 6, 6, 1), np.uint8)).shape == (5, 3)
    assert read_recipe(out / "recipe.json").baseline is False
