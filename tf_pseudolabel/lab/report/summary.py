"""A run in words and few figures: what was run, and which arm is better."""

import dataclasses
import math

import numpy as np

from tf_pseudolabel.lab.analysis import calibration
from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.recipes.choices import row_of, terms_of, values_of
from tf_pseudolabel.lab.report.parts import ARMS, Table, number
from tf_pseudolabel.lab.runs import conclusion

# In the order of a sentence.
_SAID = (
    "target",
    "teacher",
    "alignment",
    "selection",
    "views",
    "unlabeled_loss",
)
_ENTROPIES = {
    "train": "labeled rows",
    "unlabeled": "unlabeled rows",
    "test": "test rows",
}


def validation(results, arm):
    """Finds an arm's best validation accuracy.

    Args:
        results: A `Results`.
        arm: Its name.

    Returns:
        A pair: the accuracy, and the epoch it was reached in; NaN and None if
        the run recorded neither.
    """
    recorded = results.metrics.get(arm, {}).get("validation")
    if recorded:
        return recorded["best_accuracy"], recorded["best_epoch"]
    known = [
        (row["val_accuracy"], -row["epoch"])
        for row in results.history
        if row["arm"] == arm and math.isfinite(row.get("val_accuracy", np.nan))
    ]
    if not known:
        return math.nan, None
    best, negative_epoch = max(known)
    return best, -negative_epoch


def correct(results, arm, part="test"):
    """Returns which rows an arm gets right.

    Args:
        results: A `Results`.
        arm: Its name.
        part: "test" or "unlabeled".

    Returns:
        Bool array `(n,)`.
    """
    outputs = results.probabilities[arm][part]
    return outputs.argmax(axis=-1) == getattr(results.split, part).labels


def calibrated(results, arm):
    """Measures an arm's calibration on the test set.

    Args:
        results: A `Results`.
        arm: Its name.

    Returns:
        A `calibration.Reliability`.
    """
    confidence = results.probabilities[arm]["test"].max(axis=-1)
    return calibration.reliability(confidence, correct(results, arm))


def figures_table(results):
    """Makes the table of both arms.

    Args:
        results: A `Results`.

    Returns:
        A `Table`: a row per figure, a column per arm.
    """
    columns = [_figures(results, arm) for arm in results.probabilities]
    return Table(
        ["", *(ARMS[arm] for arm in results.probabilities)],
        [[name, *(column[name] for column in columns)] for name in columns[0]],
    )


def _figures(results, arm):
    figures = results.metrics[arm]
    best, epoch = validation(results, arm)
    entropies = figures.get("conditional_entropy", {})
    return {
        "Test error, %": number(figures.get("test_error_percent"), ".2f"),
        "Test examples": number(len(results.split.test), ",d"),
        "Best validation accuracy, %": number(100 * best, ".2f"),
        "… reached in epoch": number(epoch, "d"),
        "Calibration error on test, %": number(
            100 * calibrated(results, arm).error, ".2f"
        ),
        **{
            f"Conditional entropy, {text}, nats": number(
                entropies.get(name), ".4f"
            )
            for name, text in _ENTROPIES.items()
        },
        "Updates": number(figures.get("updates"), ",d"),
        "Seconds of training": number(figures.get("train_seconds"), ".1f"),
    }


def verdict(results):
    """Says which arm is better.

    Args:
        results: A `Results`.

    Returns:
        A string, plain sentences.
    """
    return conclusion.conclude(
        {arm: _judged(results, arm) for arm in results.probabilities}
    )


def _judged(results, arm):
    """An arm's figures, with those that older runs have not recorded."""
    best, epoch = validation(results, arm)
    alphas = [
        row.get("alpha", math.nan)
        for row in results.history
        if row["arm"] == arm
    ]
    others = [correct(results, o) for o in results.probabilities if o != arm]
    alone = correct(results, arm) & ~np.any(others, axis=0)
    return {
        "largest_alpha": max(alphas, default=math.nan),
        **results.metrics[arm],
        "test_examples": len(results.split.test),
        "right_alone": int(alone.sum()),
        "validation": epoch is not None
        and {"best_accuracy": best, "best_epoch": epoch},
    }


def errors(results):
    """Returns the test error of every arm.

    Args:
        results: A `Results`.

    Returns:
        A dict from arm to percent; NaN for an arm that was not trained.
    """
    return {
        arm: results.metrics.get(arm, {}).get("test_error_percent", math.nan)
        for arm in ARMS
    }


def comparison_table(runs):
    """Makes the table of several runs.

    Args:
        runs: Dict from a run's title to its `Results`.

    Returns:
        A `Table`: a row per run.
    """
    header = [
        "Run",
        "Data",
        "Labels",
        "Seed",
        "Test error, %: supervised",
        "Test error, %: pseudo-label",
        "Change, points",
        "Best validation accuracy, %: supervised",
        "Best validation accuracy, %: pseudo-label",
        "Warnings",
    ]
    return Table(header, [_comparison(*run) for run in runs.items()])


def _comparison(title, results):
    before, after = errors(results).values()
    best = [validation(results, arm)[0] for arm in ARMS]
    return [
        title,
        results.recipe.dataset,
        f"{len(results.split.labeled):,}",
        str(results.recipe.seed),
        number(before, ".2f"),
        number(after, ".2f"),
        number(after - before, "+.2f"),
        *(number(100 * accuracy, ".2f") for accuracy in best),
        str(len(results.warnings)),
    ]


def _network(recipe):
    """What is said of a recipe's network."""
    yield recipe.network
    if recipe.hidden_units is not None:
        yield f"{recipe.hidden_units} hidden units"
    if recipe.dropout is not None:
        yield f"dropout {recipe.dropout:g}"
    if recipe.weights != "none":
        yield f"weights of {recipe.weights}"
    if recipe.freeze != "none":
        yield f"frozen layers of the backbone: {recipe.freeze}"
    if recipe.backbone_learning_rate is not None:
        yield f"learning rate {recipe.backbone_learning_rate:g} in the backbone"
    yield recipe.output


def _sizes(spec):
    """Says what a row holds, where that is one array."""
    axes = getattr(spec, "shape", ())
    return f" of {' × '.join(map(str, axes))}" if len(axes) else ""


def facts(results):
    """Lists what was run.

    Args:
        results: A `Results`.

    Returns:
        A list of pairs of strings: what, and its value.
    """
    recipe, split = results.recipe, results.split
    momentum = f", momentum {recipe.momentum:g}" * (recipe.optimizer == "sgd")
    first = (
        ""
        if recipe.first_learning_rate is None
        else f" ({recipe.first_learning_rate:g} before epoch {recipe.t1:g})"
    )
    return [
        ("Recipe", " – ".join(filter(None, (recipe.name, recipe.description)))),
        (
            "Data",
            f"{recipe.dataset}: {len(results.class_names)} classes, "
            f"{results.kind.name}{_sizes(split.test.spec)}",
        ),
        (
            "Examples",
            f"{len(split.labeled):,} labeled, {len(split.unlabeled):,} "
            f"unlabeled, {len(split.validation):,} for validation, "
            f"{len(split.test):,} for test",
        ),
        (
            "Network",
            ", ".join(_network(recipe)),
        ),
        (
            "Optimizer",
            f"{recipe.optimizer}, learning rate {recipe.learning_rate:g}"
            f"{first}{momentum}; batches of {recipe.labeled_batch} labeled and "
            f"{recipe.unlabeled_batch} unlabeled rows, {recipe.stream} streams",
        ),
        (
            "Schedule",
            f"{recipe.epochs} epochs; {_words(recipe, ['schedule'])[0]}",
        ),
        ("Pseudo-labels", _method(recipe)),
        *([("Search", " ".join(results.search))] if results.search else []),
        ("Seed", str(recipe.seed)),
        ("Started", results.record.get("started", "–")),
        ("Versions", _joined(results.record.get("versions"))),
        ("Run directory", str(results.path)),
    ]


def _method(recipe):
    """How pseudo-labels are made, in a line."""
    parts = _words(recipe, _SAID)
    parts.append(f"batch normalization {recipe.batch_norm}")
    if recipe.mixup:
        parts.append(f"mixup {recipe.mixup:g}")
    if recipe.average:
        parts.append(f"evaluated is an average (decay {recipe.average:g})")
    values = values_of(recipe)
    parts += [row.words(values) for row in terms_of(recipe)]
    return ", ".join(parts)


def _words(recipe, kinds):
    """What the rows of the chosen parts say."""
    rows = [row_of(recipe, kind) for kind in kinds]
    values = values_of(recipe)
    return [row.words(values) for row in rows if row is not None]


def _joined(versions):
    known = {name: v for name, v in (versions or {}).items() if v}
    return ", ".join(f"{name} {v}" for name, v in known.items()) or "–"


def flags(results):
    """Lists every choice of the recipe, as flags of `bin/train`.

    Args:
        results: A `Results`.

    Returns:
        A list of strings.
    """
    recipe = results.recipe
    values = {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
        if field.metadata
    }
    return [
        f"--{'' if value else 'no'}{name}"
        if isinstance(value, bool)
        else f"--{name}={shown(str(value))}"
        for name, value in values.items()
        if value is not None
    ]
