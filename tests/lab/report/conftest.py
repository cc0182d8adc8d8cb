"""Finished runs without training, for the parts of a report."""

import pathlib

import numpy as np
import pytest

from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.recipes.digits import DIGITS_CONV
from tf_pseudolabel.lab.runs.results import Results

# What runs recorded before there were figures of the pseudo-labels.
OLD_COLUMNS = ("alpha", "val_accuracy")
QUALITY = (
    "pseudo_label_accuracy",
    "accepted_accuracy",
    "coverage",
    "confidence",
    "entropy",
    "class_distance",
    "churn",
    "calibration_error",
)


def _examples(name, count, classes, shape, generator):
    return Examples(
        generator.integers(0, 256, (count, *shape)).astype(np.uint8),
        np.arange(count) % classes,
        np.array([f"{name}/{row}" for row in range(count)]),
    )


def _outputs(labels, classes, generator, noise):
    """Softmax outputs that are right more often where there is less noise."""
    logits = noise * generator.normal(size=(len(labels), classes))
    logits[np.arange(len(labels)), labels] += 3
    scores = np.exp(logits)
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def _history(arms, epochs, classes, new):
    shares = np.full(classes, 1 / classes)
    return [
        {
            "arm": arm,
            "epoch": epoch,
            "alpha": float(epoch) * (arm == "pseudo_label"),
            "val_accuracy": (0.5 if arm == "supervised" else 0.6)
            + 0.1 * epoch / epochs,
        }
        | (dict.fromkeys(QUALITY, 0.5) if new else {})
        | {"class_shares": shares if new else None}
        for arm in arms
        for epoch in range(epochs)
    ]


@pytest.fixture(scope="session")
def make_results():
    """Returns a function that makes `Results`."""

    def make(
        path="runs/synthetic",
        classes=10,
        tested=60,
        shape=(8, 8, 1),
        arms=("supervised", "pseudo_label"),
        epochs=5,
        new=True,
        unlabeled_known=True,
        class_names=None,
        warnings=(),
        search=(),
    ):
        generator = np.random.default_rng(0)
        sizes = {"labeled": 20, "unlabeled": 80, "validation": 30}
        split = Split(
            **{
                name: _examples(name, count, classes, shape, generator)
                for name, count in {**sizes, "test": tested}.items()
            }
        )
        noise = {"supervised": 2.0, "pseudo_label": 1.5}
        probabilities = {
            arm: {
                part: _outputs(
                    getattr(split, part).labels, classes, generator, noise[arm]
                )
                for part in ("unlabeled", "test")
            }
            for arm in arms
        }
        for arm, p in probabilities.items():
            own = np.random.default_rng(1)
            p["train"] = _outputs(
                split.labeled.labels, classes, own, noise[arm]
            )
        if not unlabeled_known:
            split.unlabeled.labels[:] = -1
        metrics = {
            arm: {
                "test_error_percent": 100
                * float((p["test"].argmax(1) != split.test.labels).mean()),
                "updates": 9,
                "train_seconds": 1.5,
            }
            for arm, p in probabilities.items()
        }
        return Results(
            path=pathlib.Path(path),
            recipe=DIGITS_CONV,
            record={"started": "2026-01-01T00:00:00", "versions": {}},
            metrics=metrics,
            history=_history(arms, epochs, classes, new),
            warnings=list(warnings),
            search=list(search),
            class_names=tuple(class_names or map(str, range(classes))),
            kind=Images(),
            split=split,
            probabilities=probabilities,
        )

    return make
