import contextlib
import csv
import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

import tf_pseudolabel
from tf_pseudolabel.lab import recipes, runs
from tf_pseudolabel.lab.cli import evaluate, train
from tf_pseudolabel.lab.data.sources import SOURCES
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import NETWORKS, OTHERS
from tf_pseudolabel.lab.recipes.effects import without_effect
from tf_pseudolabel.lab.recipes.recipe import (
    Recipe,
    read_recipe,
    recipe_class,
    with_parts,
)
from tf_pseudolabel.lab.report import summary
from tf_pseudolabel.lab.runs import experiment, results

PACKAGE = pathlib.Path(tf_pseudolabel.__file__).parent
FIELDS = [field for field in dataclasses.fields(Recipe) if field.metadata]
MARGIN = pathlib.Path(__file__).parents[2] / "margin.py"


def _program(*arguments, code="", **kwargs):
    """Runs the program without TensorFlow's settings of this process."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    run = f"from tf_pseudolabel.lab.cli import train; {code or 'train.run()'}"
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
    if field.name in WORDS:
        return WORDS[field.name]
    if field.metadata["choices"]:
        return next(x for x in field.metadata["choices"] if x != value)
    if field.name == "image_size":
        return "7,9"
    bounded = field.metadata["below"] or field.metadata["most"]
    if bounded and train._kind(field) is float:
        return max(0.25, field.metadata["least"] or 0.0)
    return {int: 7, float: 900.5, bool: not value, str: "/somewhere"}[
        train._kind(field)
    ]


# Of fields that are not free to be any string.
WORDS = {"network": "text_conv", "freeze": "3"}
TWO_SIDED = {
    "selection": "two_sided",
    "target": "multi_hot",
    "output": "sigmoid",
}
# What a field needs to have an effect.
NEEDED = {
    "resize": {"image_size": 9},
    "unlabeled_batches": {"stream": "alternating"},
    "final_momentum": {"optimizer": "lee2013"},
    "momentum_epochs": {"optimizer": "lee2013"},
    "dae_learning_rate": {"dae_epochs": 1},
    "lag_epochs": {"teacher": "lagged"},
    "threshold": {"selection": "threshold"},
    "mean": {"selection": "threshold"},
    "top_share": {"selection": "top_share"},
    **dict.fromkeys(("up", "down"), TWO_SIDED),
    "temperature": {"target": "sharpened"},
}


def _needed(field):
    """What a part's flag needs, where nothing above says so."""
    for name, values in field.metadata["needs"][:1]:
        if name == "dataset" or not without_effect(Recipe(), field.name):
            continue
        return {name: values[0] if values else 1.0}
    return {}


@pytest.mark.parametrize(
    "field",
    # Those two are files that must be there.
    [f for f in FIELDS if f.name not in ("parts", "split_file")],
    ids=lambda field: field.name,
)
def test_a_flag_beside_the_recipe_wins(field, recipe_of):
    # One that every single change goes with.
    changes = {"t2": 1000.0, "labeled_epochs": 0, "network": "mlp"}
    changes |= NEEDED.get(field.name) or _needed(field)
    before = recipes.RECIPES["mnist_conv_joint"]
    takers = dict(field.metadata["needs"]).get("dataset")
    if takers:
        changes["dataset"] = takers[0]
        # Those of the recipe are of its own data.
        source = SOURCES[takers[0]]
        of_data = dict.fromkeys(COUNTS) | source.defaults
        of_data |= {"name": takers[0], "description": source.help}
        before = dataclasses.replace(before, **of_data)
    before = dataclasses.replace(before, **changes)
    # Those of the recipe are of its own network.
    before = dataclasses.replace(before, hidden_units=None, dropout=None)
    beside = [f"--{name}={value}" for name, value in changes.items()]
    value = _another(field, getattr(before, field.name))
    text = f"--{field.name}={value}"
    found = recipe_of("--recipe=mnist_conv_joint", *beside, text)
    assert getattr(found, field.name) == value
    assert found == dataclasses.replace(before, **{field.name: value})
    assert found != before


def test_directories_are_recorded_for_use_from_elsewhere(recipe_of):
    found = recipe_of("--data_dir=here")
    assert found.data_dir == os.path.join(os.getcwd(), "here")


def test_directories_of_data_sets_are_recorded_for_use_from_elsewhere(
    recipe_of,
):
    path = os.path.join(os.getcwd(), "mnist", "3.0.1")
    assert recipe_of("--dataset=./mnist/3.0.1").dataset == path
    assert recipe_of("--dataset=mnist/3.0.1").dataset == "mnist/3.0.1"


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
        (["--recipe=lenet"], "self_training_3_quick, or a path"),
        (["--recipe=none.json"], "none.json"),
        (["--strategy=gpu"], "<default|mirrored|multi_worker|tpu>"),
        (["--t1=9", "--t2=8"], "t1=9.0 and t2=8.0"),
        (["--alpha_f=-1"], "alpha_f must be at least 0; got -1.0"),
        (["--alpha_f=inf"], "alpha_f must be finite; got inf"),
        (["--dropout=1"], "dropout must be below 1; got 1.0"),
        (["stray"], "flags only; got 'stray'"),
        (
            ["--threshold=0.9"],
            "--threshold is for --selection=threshold, curriculum or inliers; "
            "got --selection=all. Add --selection=threshold.",
        ),
        (["--top_share=0.5"], "--top_share is for --selection=top_share"),
        (["--mean=accepted"], "--mean is for --selection=threshold, top_share"),
        (["--temperature=0.5"], "--temperature is for --target=sharpened"),
        (["--optimizer=adam", "--momentum=0.9"], "is for --optimizer=sgd or l"),
        (
            ["--preset=usb_pl", "--temperature=0.5"],
            "--temperature is for --target=sharpened; got --target=hard",
        ),
        (
            ["--preset=auto", "--auto_minutes=nan"],
            "--auto_minutes=nan: must be a number that is finite",
        ),
        (["--preset=auto", "--auto_minutes=inf"], "--auto_minutes=inf: must"),
        (["--checkpoint_minutes=nan"], "--checkpoint_minutes=nan: must"),
        (["--parts=none.py"], "/none.py: No such file or directory"),
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
    for name in (*recipes.RECIPES, *NETWORKS, *OTHERS, *SOURCES):
        assert f"\n  {name}" in text
    for field in FIELDS:
        assert f"{field.name}\n      " in text
        assert field.metadata["help"] in text
    assert "--num_labeled\n      labeled examples to draw; default" in text
    default = recipes.RECIPES[recipes.DEFAULT]
    assert f"({default.name}: {default.num_labeled})" in text
    assert "'tf_pseudolabel'" in loaded
    for heavy in ("tensorflow", "keras", "sklearn", "matplotlib"):
        assert f"'{heavy}'" not in loaded


class _Experiment:
    """Stands in for the module, and writes down what it is asked."""

    def __init__(self, metrics):
        self.metrics = metrics
        self.calls = []

    def run(self, *arguments, tell):
        self.calls.append(arguments)
        if self.metrics is not None:
            tell(self.metrics)
        return self.metrics


METRICS = {
    arm: {
        "labeled_examples": 50,
        "unlabeled_examples": 1047,
        "test_error_percent": 11.3,
        "train_seconds": 12.34,
        "validation": {
            "accuracy": 0.8,
            "best_accuracy": best,
            "best_epoch": epoch,
        },
    }
    for arm, best, epoch in (
        ("supervised", 0.85, 7),
        ("pseudo_label", 0.9, 12),
    )
}


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Nothing is trained; runs would lie in an empty directory."""
    found = _Experiment(METRICS)
    monkeypatch.setattr(train.program, "load", lambda name: found)
    monkeypatch.chdir(tmp_path)
    return found


def _dicts(recipe):
    return {"recipe": dataclasses.asdict(recipe)}


@pytest.mark.parametrize(
    ("arguments", "minutes", "keep"),
    [
        ([], 10.0, 3),
        (["--checkpoint_minutes=0.5", "--keep_checkpoints=7"], 0.5, 7),
        (["--checkpoint_minutes=0", "--keep_checkpoints=1"], 0.0, 1),
    ],
)
def test_checkpoint_flags_are_handed_on(
    arguments, minutes, keep, stand_in, exit_status
):
    assert exit_status(train.main, "--output_dir=out", *arguments) == 0
    recipe = recipes.RECIPES[recipes.DEFAULT]
    (call,) = stand_in.calls
    assert call[:-2] == (recipe, "out", minutes, keep, True)


def test_pictures_can_be_left_out(stand_in, exit_status):
    exit_status(train.main, "--nopictures")
    ((*_, with_pictures, _, _),) = stand_in.calls
    assert with_pictures is False


@pytest.mark.parametrize(
    ("arguments", "lowerable"),
    [
        ([], ("labeled_batch", "unlabeled_batch")),
        (["--labeled_batch=24"], ("unlabeled_batch",)),
        (["--labeled_batch=24", "--unlabeled_batch=128"], ()),
    ],
)
def test_batch_sizes_that_were_not_asked_for_may_be_lowered(
    arguments, lowerable, stand_in, exit_status
):
    exit_status(train.main, *arguments)
    ((*_, found, data),) = stand_in.calls
    assert found == lowerable and data is None


COUNTS = ("num_labeled", "num_unlabeled", "num_validation", "num_test")


@pytest.mark.parametrize(
    "dataset", [name for name, row in SOURCES.items() if row.own]
)
def test_of_ones_own_data_all_labels_are_used(dataset, recipe_of):
    own = recipe_of("--recipe=mnist_conv", f"--dataset={dataset}")
    assert [getattr(own, name) for name in COUNTS] == [None] * 4


def test_counts_of_a_recipe_are_of_its_own_data(recipe_of):
    arguments = "--recipe=mnist_conv", "--labeled_dir=here"
    own = recipe_of(*arguments, "--dataset=folders")
    assert [getattr(own, name) for name in COUNTS] == [None] * 4
    assert own.labeled_batch == recipes.RECIPES["mnist_conv"].labeled_batch
    given = recipe_of(*arguments, "--dataset=folders", "--num_test=7")
    assert given == dataclasses.replace(own, num_test=7)
    other = recipe_of("--recipe=mnist_conv", "--dataset=fashion_mnist")
    assert other.num_labeled == 1000


def test_a_file_of_ids_stands_for_counts_of_the_recipe(recipe_of, tmp_path):
    path = tmp_path / "my, ids.json"
    path.write_text('{"labeled": ["a"], "test": ["b"]}')
    before = recipe_of("--recipe=mnist_conv")
    found = recipe_of("--recipe=mnist_conv", f"--split_file={path}")
    assert found == dataclasses.replace(
        before, split_file=str(path), num_labeled=None, num_test=None
    )
    assert found.num_validation is not None
    given = recipe_of(f"--split_file={path}", "--num_test=7")
    assert given.num_test == 7


def test_files_are_recorded_for_use_from_elsewhere(
    recipe_of, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.json").write_text("{}")
    found = recipe_of("--split_file=a,b.json")
    assert found.split_file == str(tmp_path / "a,b.json")


def test_options_of_a_network_are_its_own(recipe_of):
    lee = "--recipe=lee2013_pl"
    assert recipe_of(lee, "--network=mlp").hidden_units == 5000
    other = recipe_of(lee, "--network=conv", "--dropout=0.1")
    assert (other.hidden_units, other.dropout) == (None, 0.1)
    assert (other.input_scale, other.initial_std) == (1.0, None)
    assert other.learning_rate == 1.5


def test_paths_of_networks_are_absolute(recipe_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text("def build(spec, num_classes): ...")
    recipe = recipe_of("--network=my.py:build", "--weights=w.weights.h5")
    assert recipe.network == f"{tmp_path}/my.py:build"
    assert recipe.weights == f"{tmp_path}/w.weights.h5"
    none = recipe_of("--network=ResNet50", "--weights=imagenet", "--freeze=7")
    assert (none.weights, none.freeze) == ("imagenet", "7")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network=my.py:build"], "a file that exists; got /"),
        (["--network=convolution"], "got 'convolution'."),
        (["--network=ResNet50", "--hidden_units=3"], "is for --network=conv,"),
        (["--network=ResNet50", "--freeze=all"], "must have been learned"),
    ],
)
def test_networks_that_cannot_be(
    arguments, message, exit_status, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert exit_status(train.main, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_counts_of_a_recorded_run_of_folders_stay(recipe_of, tmp_path):
    recipe = dataclasses.replace(
        recipes.RECIPES["mnist_conv"], dataset="folders", num_labeled=9
    )
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(_dicts(recipe)))
    assert recipe_of(f"--recipe={path}", "--dataset=folders") == recipe


def test_how_often_is_saved_is_no_part_of_the_recipe(recipe_of):
    """So that a run can be continued with another number."""
    found = recipe_of("--checkpoint_minutes=1", "--keep_checkpoints=9")
    assert found == recipes.RECIPES[recipes.DEFAULT]


def test_service_and_determinism_are_handed_on(stand_in, exit_status):
    exit_status(
        train.main, "--data_service=grpc://host:5050", "--deterministic"
    )
    ((recipe, *_),) = stand_in.calls
    assert recipe.data_service == "grpc://host:5050"
    assert recipe.deterministic is True


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--checkpoint_minutes=-1"], "checkpoint_minutes=-1"),
        (["--checkpoint_minutes=often"], "checkpoint_minutes=often"),
        (["--keep_checkpoints=0"], "keep_checkpoints=0"),
        (["--local_workers=0"], "local_workers=0"),
        (
            ["--local_workers=2"],
            "for --strategy=multi_worker; got --strategy=default.",
        ),
        (
            ["--local_workers=2", "--strategy=mirrored"],
            "for --strategy=multi_worker; got --strategy=mirrored.",
        ),
        (
            ["--strategy=multi_worker"],
            "--strategy=multi_worker needs --output_dir, a directory that all "
            "machines see.",
        ),
    ],
)
def test_wrong_use_of_the_new_flags(
    arguments, problem, stand_in, exit_status, capsys, tmp_path
):
    assert exit_status(train.main, *arguments) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert problem in err
    assert stand_in.calls == []
    assert list(tmp_path.iterdir()) == []


def test_several_workers_without_tf_config(
    exit_status, capsys, tmp_path, monkeypatch
):
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    out = tmp_path / "run"
    arguments = "--strategy=multi_worker", f"--output_dir={out}"
    assert exit_status(train.main, *arguments) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "needs TF_CONFIG, or a SLURM step with several tasks" in err
    assert "--local_workers=2" in err
    assert not out.exists()


def test_local_workers_are_started_and_nothing_is_loaded(
    exit_status, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        train.program, "load", lambda name: pytest.fail("loaded")
    )
    asked = []

    def start(workers, output_dir):
        asked.append((workers, output_dir))
        return 7

    monkeypatch.setattr(train.local_workers, "run", start)
    arguments = "--local_workers=3", "--strategy=multi_worker"
    assert exit_status(train.main, *arguments, "--output_dir=out") == 7
    assert exit_status(train.main, *arguments) == 7
    assert asked[0] == (3, "out")
    # All of them are given the same one.
    assert asked[1][1].startswith(f"runs/{recipes.DEFAULT}-")


def test_without_output_dir_a_new_run(stand_in, exit_status, capsys):
    assert exit_status(train.main) == 0
    ((_, output_dir, *_),) = stand_in.calls
    assert re.fullmatch(rf"runs/{recipes.DEFAULT}-\d{{8}}-\d{{6}}", output_dir)
    assert capsys.readouterr().out.endswith(f"\nRun directory: {output_dir}\n")


def test_without_output_dir_the_interrupted_run_of_the_same_flags(
    stand_in, exit_status, tmp_path
):
    default = recipes.RECIPES[recipes.DEFAULT]
    for age, (name, recipe, finished) in enumerate(
        [
            ("finished", default, True),
            ("other", dataclasses.replace(default, seed=5), False),
            ("wanted", default, False),
            ("older", default, False),
        ]
    ):
        path = tmp_path / "runs" / name
        path.mkdir(parents=True)
        (path / "recipe.json").write_text(json.dumps(_dicts(recipe)))
        os.utime(path / "recipe.json", (1e9 - age, 1e9 - age))
        if finished:
            (path / "metrics.json").write_text("{}")
    exit_status(train.main)
    exit_status(train.main, "--seed=5", "--checkpoint_minutes=1")
    exit_status(train.main, "--seed=6")
    given = [call[1] for call in stand_in.calls]
    assert given[:2] == ["runs/wanted", "runs/other"]
    assert given[2].startswith(f"runs/{recipes.DEFAULT}-")
    assert not (tmp_path / given[2]).exists()


def test_a_worker_that_is_not_the_chief_prints_no_table(
    stand_in, exit_status, capsys
):
    stand_in.metrics = None
    assert exit_status(train.main, "--output_dir=out") == 0
    assert capsys.readouterr().out == (
        "This worker is done; the chief writes out.\n"
    )


def test_a_finished_run_given_again_is_shown(finished_run, exit_status, capsys):
    before = {
        path: path.stat().st_mtime_ns
        for path in finished_run.rglob("*")
        if path.is_file()
    }
    arguments = (
        f"--recipe={finished_run}/recipe.json",
        f"--output_dir={finished_run}",
    )
    assert exit_status(train.main, *arguments) == 0
    out = capsys.readouterr().out
    first, *lines = out.splitlines()
    assert first == (
        f"The run in {finished_run} is finished; nothing is trained."
    )
    metrics = _json(finished_run, "metrics.json")
    assert "\n".join(lines).startswith(train.table(metrics))
    assert out.endswith(f"\nRun directory: {finished_run}\n")
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_other_flags_on_a_run_are_named(finished_run, exit_status, capsys):
    arguments = (
        f"--recipe={finished_run}/recipe.json",
        f"--output_dir={finished_run}",
    )
    assert exit_status(train.main, *arguments, "--seed=8", "--t1=2") == 1
    err = capsys.readouterr().err
    assert err == (
        f"program: {finished_run} holds a run with other flags: "
        "--t1=1.0 (now 2.0), --seed=3 (now 8). Give the same ones to go on, "
        "or name another --output_dir.\n"
    )


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


def test_presets_stand_under_other_flags(recipe_of):
    found = recipe_of("--preset=usb_pl", "--threshold=0.8", "--epochs=50")
    default = recipes.RECIPES[recipes.DEFAULT]
    assert found == dataclasses.replace(
        default,
        teacher="training",
        selection="threshold",
        threshold=0.8,
        batch_norm="labeled",
        t1=0,
        t2=20.0,  # 40 % of the epochs that are given.
        alpha_f=1.0,
        epochs=50,
    )


def test_an_unknown_preset_is_wrong_usage(exit_status, capsys):
    assert exit_status(train.main, "--preset=meta_pseudo_labels") == 2
    assert "usb_pl" in capsys.readouterr().err


@pytest.fixture
def preset_found(monkeypatch):
    """`--preset=auto` finds usb_pl, whatever is tried."""
    from tf_pseudolabel.lab.search import choosing, halving

    def run(self, trial):
        ids = np.asarray(self.splits[trial.split].validation.ids.tolist())
        right = np.full(len(ids), trial.name == "usb_pl")
        return halving.Result(2.0 + trial.epochs, 1.0, right, ids)

    monkeypatch.setattr(choosing.Trials, "__call__", run)


def test_auto_trains_with_the_preset_that_it_finds(
    preset_found, exit_status, capsys, tmp_path
):
    run = tmp_path / "run"
    flags_given = ("--epochs=4", "--threshold=0.5", f"--output_dir={run}")
    given = ("--preset=auto", "--auto_minutes=60", "--nopictures", *flags_given)

    assert exit_status(train.main, *given) == 0

    out = capsys.readouterr().out
    assert "usb_pl and supervised: ahead, +100.00 points" in out
    recipe = read_recipe(run / "recipe.json")
    assert (recipe.teacher, recipe.batch_norm) == ("training", "labeled")
    assert (recipe.threshold, recipe.t2) == (0.5, 1.6)
    assert set(_json(run, "metrics.json")) == {"supervised", "pseudo_label"}
    # Given once more, nothing is tried, and nothing trained.
    assert exit_status(train.main, *given) == 0
    again = capsys.readouterr().out
    assert "stage" not in again.replace("last stage", "")
    assert "is finished; nothing is trained" in again


@pytest.mark.slow
def test_a_search_is_gone_on_with_by_its_flags(
    preset_found, exit_status, monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    given = ("--preset=auto", "--epochs=3", "--nopictures")
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "run", lambda *args, tell: sys.exit(7))
        assert exit_status(train.main, *given) == 7
    capsys.readouterr()

    assert exit_status(train.main, *given) == 0
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_minutes_without_a_search_are_wrong_usage(exit_status, capsys):
    given = ("--preset=usb_pl", "--auto_minutes=5")
    assert exit_status(train.main, *given) == 2
    assert "--auto_minutes is for --preset=auto" in capsys.readouterr().err


@pytest.mark.slow
def test_a_recorded_recipe_gives_the_same_run_again(
    finished_run, exit_status, capsys, tmp_path
):
    out = tmp_path / "again"
    arguments = f"--recipe={finished_run}/recipe.json", f"--output_dir={out}"
    assert exit_status(train.main, *arguments) == 0
    printed = capsys.readouterr().out
    before, after = (_json(x, "metrics.json") for x in (finished_run, out))
    assert train.table(after) in printed
    assert printed.endswith(
        f"\nRun directory: {out}\nReport: {out}/report.html\n"
    )
    for metrics in (before, after):
        for figures in metrics.values():
            figures.pop("train_seconds")
    assert after == before
    for name in ("history.csv", "split.json"):
        assert (out / name).read_text() == (finished_run / name).read_text()


def _write_images(root, rows, digits):
    for row in rows:
        digit = digits.target[row]
        folder = root / f"class $0_to_${digit}" if root.name != "bag" else root
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
    "--num_validation=6",
    "--labeled_batch=6",
    "--unlabeled_batch=8",
    "--epochs=2",
    "--t1=0",
    "--t2=1",
)


@pytest.mark.slow
def test_folders_with_nothing_but_labeled_images(
    folders, exit_status, capsys, tmp_path
):
    out = tmp_path / "run"
    arguments = f"--labeled_dir={folders}/labeled", f"--output_dir={out}"
    status = exit_status(train.main, *FOLDERS, "--num_labeled=6", *arguments)
    assert status == 0
    assert (
        "\nExamples: 6 labeled, 24 unlabeled, 6 validation (held out), 9 test "
        "(held out).\n"
    ) in f"\n{capsys.readouterr().out}"
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
    # Two dollar signs are no formula.
    assert _json(out, "classes.json") == [f"class $0_to_${n}" for n in range(3)]
    assert (out / "figures" / "confident_mistakes.png").exists()
    assert (out / "figures" / "tsne.png").exists()
    capsys.readouterr()
    assert exit_status(evaluate.main, out) == 0
    assert capsys.readouterr().out.startswith(train.table(metrics) + "\n")


def test_few_images_lower_batches_and_that_is_reported(
    folders, exit_status, capsys, tmp_path
):
    """45 and 30 of them, with the default batches of 24 and 128."""
    arguments = (
        "--dataset=folders",
        f"--labeled_dir={folders}/labeled",
        f"--unlabeled_dir={folders}/bag",
        f"--output_dir={tmp_path / 'run'}",
        "--network=mlp",
        "--hidden_units=8",
        "--epochs=1",
        "--t1=0",
        "--t2=0",
        "--nobaseline",
        "--nopictures",
    )
    refused = exit_status(train.main, *arguments, "--unlabeled_batch=31")
    assert refused == 1
    assert "got 31 for 30 examples" in capsys.readouterr().err
    assert exit_status(train.main, *arguments) == 0
    out = capsys.readouterr().out
    assert "Examples: 32 labeled, 30 unlabeled, 4 validation (held out)" in out
    assert "--unlabeled_batch is lowered from 128 to 30: there" in out
    record = _json(tmp_path / "run", "recipe.json")
    assert record["lowered"] == {"unlabeled_batch": 30}
    # The same command finds its run again; the report tells what was run.
    assert record["recipe"]["unlabeled_batch"] == 128
    assert results.load(tmp_path / "run").recipe.unlabeled_batch == 30
    assert exit_status(train.main, *arguments) == 0
    assert "is finished" in capsys.readouterr().out


@pytest.mark.slow
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
    answer = served.serve(np.zeros((5, 6, 6, 1), np.uint8))
    assert answer["probabilities"].shape == (5, 3)
    assert read_recipe(out / "recipe.json").baseline is False


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, where that is permitted."""
    path = tmp_path / "disk"
    path.mkdir()
    if not shutil.which("mount") or _mount("-t", "tmpfs", "-o", SIZE, path):
        pytest.skip("may not mount a file system")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


SIZE = "size=8m"


def _mount(*arguments):
    done = subprocess.run(
        ["mount", *arguments[:-1], "tmpfs", arguments[-1]], capture_output=True
    )
    return done.returncode


def _fill(path):
    with (path / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


def _full(disk, function, wanted=None):
    """Calls a function with the disk full, if its last argument is wanted."""

    def call(*args, **kwargs):
        if wanted in (None, args[-1]):
            with contextlib.suppress(OSError):
                _fill(disk)
        return function(*args, **kwargs)

    return call


_slow = functools.partial(pytest.param, marks=pytest.mark.slow)


# Where the disk is full: what is patched, and with which last argument.
@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        pytest.param("arms.Checkpoints._write", None),
        _slow("watching.keras.callbacks.TensorBoard.on_train_begin", None),
        _slow("experiment._export", None),
        _slow("run_directory.RunDirectory.replacing", "split.json"),
        _slow("run_directory.RunDirectory.write_history", None),
        _slow("watching.keras.callbacks.TensorBoard.on_epoch_end", None),
        _slow("arms.saved", "classifier.keras"),
        _slow("run_directory.RunDirectory.replacing", "metrics.json"),
    ],
)
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    place, wanted, finished_run, small_disk, exit_status, capfd, monkeypatch
):
    run = shutil.copytree(finished_run, small_disk / "run")
    (run / "metrics.json").unlink()
    for number in (3, 4):
        for file in (run / "checkpoints/pseudo_label").glob(f"ckpt-{number}.*"):
            file.unlink()
    if wanted == "split.json":
        for path in run.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    arguments = (
        f"--recipe={finished_run}/recipe.json",
        f"--output_dir={run}",
    )
    function = functools.reduce(getattr, place.split("."), runs)
    with monkeypatch.context() as context:
        context.setattr(
            f"tf_pseudolabel.lab.runs.{place}",
            _full(small_disk, function, wanted),
        )
        assert exit_status(train.main, *arguments) == 1
    err = capfd.readouterr().err
    (ours,) = [line for line in err.splitlines() if line.startswith("program:")]
    assert re.search(rf"{run}.*(No space left on device).*ake room", ours)
    assert "Traceback" not in err
    assert not (run / "metrics.json").exists()

    (small_disk / "filler").unlink()
    assert exit_status(train.main, *arguments) == 0
    before, after = (_json(x, "metrics.json") for x in (finished_run, run))
    for metrics in (before, after):
        for figures in metrics.values():
            figures.pop("train_seconds")
    assert after == before
    for name in ("history.csv", "split.json"):
        assert (run / name).read_text() == (finished_run / name).read_text()
    assert {path.name for path in run.iterdir()} == {
        path.name for path in finished_run.iterdir()
    }
    assert not list(run.rglob("*partial*"))


def _help(*arguments):
    """What `--help` prints, in a process of its own."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "tf_pseudolabel.lab.cli.train"),
            *map(str, arguments),
            "--help",
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )


def test_a_part_of_a_users_own_has_its_flags_in_the_help(tmp_path):
    """Written outside the package, read and not executed."""
    path = tmp_path / "mine.py"
    path.write_text(f"raise SystemExit('executed')\n{MARGIN.read_text()}")
    done = _help(f"--parts={path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n  --margin\n      margin: least distance (digits_conv: 0.5)" in (
        done.stdout
    )
    assert "|loss_threshold|inliers|margin>: rows that count" in done.stdout
    assert "margin (two classes are far apart)" in done.stdout
    assert "--margin" not in _help().stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--parts", "a.py,b.py"],
        ["--parts=a.py", "--parts=b.py"],
        ["-parts=a.py", "--seed=3", "-parts", "b.py"],
        ["--recipe=run.json", "--parts=a.py,b.py"],
    ],
)
def test_files_of_parts_are_found_before_flags(
    arguments, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    expected = f"{tmp_path}/a.py,{tmp_path}/b.py"
    assert train.parts_of(arguments) == expected
    assert train.parts_of(["--seed=3", "--", *arguments]) is None


@pytest.mark.parametrize(
    "arguments", [[], ["--parts"], ["--parts="], ["--recipe=mnist_conv"]]
)
def test_a_command_line_without_parts(arguments):
    assert train.parts_of(arguments) is None


def test_a_preset_is_made_for_the_batches_given(recipe_of):
    found = recipe_of(
        "--preset=arazo2020", "--labeled_batch=50", "--unlabeled_batch=50"
    )
    assert (found.alpha_f, found.class_prior) == (1.0, 1.6)


def test_a_recorded_run_brings_its_parts(tmp_path):
    recipe = recipe_class(str(MARGIN))(parts=str(MARGIN), margin=0.25)
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(_dicts(recipe)))
    assert train.parts_of([f"--recipe={path}"]) == str(MARGIN)
    done = _help(f"--recipe={path}")
    assert "\n  --margin\n" in done.stdout


# Prints what the flags come to.
SAY_RECIPE = """
import dataclasses, json
train.main = lambda argv: print(
    json.dumps(dataclasses.asdict(train.recipe_from_flags()))
)
train.run()
"""


def test_flags_of_a_part_of_a_users_own(tmp_path):
    shutil.copy(MARGIN, tmp_path / "mine.py")
    given = ["--parts=mine.py", "--selection=margin", "--margin=0.25"]
    done = _program(*given, code=SAY_RECIPE, cwd=tmp_path)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["parts"] == str(tmp_path / "mine.py")
    assert (found["selection"], found["margin"]) == ("margin", 0.25)

    done = _program(given[0], given[2], code=SAY_RECIPE, cwd=tmp_path)
    assert done.stdout == ""
    assert "is for --selection=margin; got --selection=all." in done.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = 1", "without one"),
        (
            "@register('target', 'a', flags=[Flag('preset', 1, 'b')])\n"
            "class A: ...",
            "a name of its own; got that of another one",
        ),
        ("@register('target', HERE)\nclass A: ...", "literals"),
    ],
)
def test_parts_that_cannot_be_read_are_wrong_usage(text, problem, tmp_path):
    (tmp_path / "mine.py").write_text(text)
    for arguments in (["--parts=mine.py", "--help"], ["--parts", "mine.py"]):
        done = _program(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert problem in done.stderr


@pytest.mark.slow
def test_a_run_with_a_part_of_a_users_own(tiny_recipe, tmp_path, capsys):
    """It trains, goes on, and is looked at without its file being executed."""
    path = shutil.copy(MARGIN, tmp_path / "mine.py")
    recipe = dataclasses.replace(
        with_parts(tiny_recipe, str(path)), selection="margin", margin=0.03
    )
    run = tmp_path / "run"
    experiment.run(recipe, run, with_pictures=False)
    with (run / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    assert 0 < float(history[-1]["coverage"]) < 1
    assert read_recipe(run / "recipe.json") == recipe

    (run / "metrics.json").unlink()
    for number in (3, 4):
        for file in (run / "checkpoints/pseudo_label").glob(f"ckpt-{number}.*"):
            file.unlink()
    experiment.run(recipe, run, with_pictures=False)
    assert "pseudo_label after 2 of 4 epochs" in capsys.readouterr().out
    with (run / "history.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == history

    path.write_text(f"raise SystemExit('executed')\n{MARGIN.read_text()}")
    found = results.load(run)
    said = dict(summary.facts(found))["Pseudo-labels"]
    assert "rows count whose classes are 0.03 apart" in said
    assert "--margin=0.03" in summary.flags(found)


def test_a_part_that_cannot_be_made_leaves_no_run(tiny_recipe, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(MARGIN.read_text() + "\n1 / 0")
    recipe = dataclasses.replace(
        with_parts(tiny_recipe, str(path)), selection="margin"
    )
    with pytest.raises(InputError, match="raised ZeroDivisionError"):
        experiment.run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
