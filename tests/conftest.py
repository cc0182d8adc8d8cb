"""Two logical CPUs, a strategy over them, and a run that many tests read."""

import dataclasses
import pathlib
import sys

import pytest
import tensorflow as tf
from absl import flags, logging
from absl.testing import flagsaver

# Tests share helpers (tests/contexts.py). Last, so that the package under test
# is the installed one where there is one.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
CPUS = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    CPUS[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session", autouse=True)
def nothing_tunes_itself():
    """Iterators that no thread tunes: they end at once.

    TensorFlow waits for the thread that tunes an iterator when it goes, and
    the thread sleeps for up to a minute at a time; what comes out is the same.
    """
    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    with pytest.MonkeyPatch.context() as patch:
        # What every kind of iterator, those of replicas too, asks for first.
        patch.setattr(
            tf.data.Dataset,
            "_apply_debug_options",
            lambda dataset: dataset.with_options(untuned),
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def graphs_are_run_as_they_are_traced(pytestconfig):
    """TensorFlow's rewriting of graphs takes a quarter of small tests' time.

    Slow tests have it, and the programs that tests start as users do.
    """
    if pytestconfig.option.markexpr == "not slow":
        tf.config.optimizer.set_experimental_options(
            {"disable_meta_optimizer": True}
        )


@pytest.fixture(scope="session", autouse=True)
def caches_of_its_own(tmp_path_factory):
    """Indexes of images, away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def every_epoch_is_saved():
    """However short it is, so that tests know which checkpoints there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "tf_pseudolabel.lab.callbacks.checkpoints.SHARE", float("inf")
        )
        yield


@pytest.fixture(scope="session")
def two_replicas():
    """One strategy object: in one process, two get in each other's way."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="session")
def tiny_recipe():
    """Both arms in seconds: alpha is 0, 0, 0.5 and 1."""
    from tf_pseudolabel.lab.recipes.digits import DIGITS_CONV

    return dataclasses.replace(
        DIGITS_CONV,
        network="mlp",
        hidden_units=16,
        dropout=0.5,
        num_labeled=50,
        num_unlabeled=200,
        num_validation=30,
        num_test=60,
        labeled_epochs=1,
        epochs=4,
        labeled_batch=20,
        unlabeled_batch=64,
        t1=1.0,
        t2=3.0,
        alpha_f=1.0,
        optimizer="sgd",
        learning_rate=0.05,
        momentum=0.9,
        seed=3,
    )


@pytest.fixture(scope="session")
def recipe_of_12_labels(tiny_recipe):
    """12 labels in 3 batches; 20 unlabeled rows in 5."""
    return dataclasses.replace(
        tiny_recipe,
        num_labeled=12,
        labeled_batch=4,
        num_unlabeled=20,
        unlabeled_batch=4,
        num_validation=10,
        num_test=10,
    )


@pytest.fixture(scope="session")
def finished_run(tiny_recipe, tmp_path_factory):
    """The directory of a finished run; copy it before changing it."""
    from tf_pseudolabel.lab.runs import experiment

    path = tmp_path_factory.mktemp("runs") / "tiny"
    experiment.run(tiny_recipe, path)
    return path


@pytest.fixture
def exit_status(monkeypatch):
    """Runs a program's main in this process: `(main, *arguments) -> status`."""
    from tf_pseudolabel.lab.cli import program, train

    if "recipe" not in flags.FLAGS:
        train.define_flags()
    if "trust" not in flags.FLAGS:
        program.define_trust()

    def call(main, *arguments):
        monkeypatch.setattr(sys, "argv", ["program", *map(str, arguments)])
        verbosity = logging.get_verbosity()
        try:
            with flagsaver.flagsaver(), pytest.raises(SystemExit) as stopped:
                program.run(main, "help")
        finally:
            logging.set_verbosity(verbosity)
        return stopped.value.code or 0

    return call
