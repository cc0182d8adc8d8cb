import dataclasses
import json

import keras
import numpy as np
import pytest

from tf_pseudolabel.lab import runs
from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.kinds import Kind
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import experiment, results


def _rows(count, prefix, known=True):
    """Two classes, told apart by the sign of the first of three numbers."""
    rows = np.random.default_rng(count).normal(size=(count, 3))
    labels = (rows[:, 0] > 0).astype(np.int64)
    return Examples(
        rows.astype(np.float32),
        labels if known else np.full(count, -1),
        np.array([f"{prefix}/{row}" for row in range(count)]),
    )


def linear(spec, num_classes, dropout):
    """A network of the test's own, which asks for an option by name."""
    return keras.Sequential(
        [
            keras.Input(spec.shape, dtype=spec.dtype.name),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(num_classes),
        ]
    )


@pytest.fixture(scope="module")
def source():
    return Data(
        _rows(60, "train"), None, _rows(90, "more", False), ("-", "+"), Kind()
    )


def test_a_run_with_data_and_network_of_a_program(
    source, tiny_recipe, tmp_path
):
    recipe = dataclasses.replace(
        tiny_recipe,
        num_labeled=None,
        num_unlabeled=None,
        num_validation=None,
        num_test=None,
        labeled_batch=8,
        unlabeled_batch=16,
        hidden_units=None,
        baseline=False,
    )
    out = tmp_path / "run"

    metrics = runs.run(
        recipe, out, source=source, network=linear, with_pictures=False
    )

    assert metrics["pseudo_label"]["unlabeled_examples"] == 90
    assert metrics["pseudo_label"]["labeled_examples"] == 60 - 12 - 6
    record = json.loads((out / "recipe.json").read_text())["recipe"]
    assert record["dataset"] == "python"
    assert record["network"].endswith(":linear")
    classifier = results.load_classifier(out / "classifier.keras")
    assert [layer.name.split("_")[0] for layer in classifier.layers] == [
        "dropout",
        "dense",
    ]
    computed, recorded = experiment.evaluate(out, source)
    arms = [each["pseudo_label"] for each in (computed, recorded)]
    assert arms[0]["test_error_percent"] == arms[1]["test_error_percent"]
    with pytest.raises(InputError, match="handed over by a program"):
        experiment.evaluate(out)
