"""Plain words for histories in which pseudo-labels go wrong.

Each rule looks at the epochs so far, so that the alarms of a run are a
function of its history alone.
"""

import math
import typing

import numpy as np

LEAST_COVERAGE = 0.01
EPOCHS_WITHOUT_COVERAGE, EPOCHS_TO_RISE = 5, 20
EPOCHS_OF_ONE_CLASS = 3
CHURN_EPOCHS = 10
MOST_CHURN = 0.1
VALIDATION_EPOCHS = 5
LEAST_FALL, MOST_FALL = 0.02, 0.05

_HINT = (
    "Consider a later start of alpha (t1), a lower alpha_f, a threshold, or "
    "more labels"
)


class Alarm(typing.NamedTuple):
    """Something that the user should know about.

    Attributes:
        epoch: The epoch at whose end it was raised, from 0.
        alarm: Name of the rule.
        text: What happened, and what to consider.
    """

    epoch: int
    alarm: str
    text: str


def raised(history):
    """Finds the alarms of a history, each once.

    Args:
        history: List of dicts, one per epoch, with `epoch`, `alpha` and, where
            they are known, `coverage`, `churn`, `val_accuracy`, and the arrays
            `class_shares` and `labeled_shares`.

    Returns:
        A list of `Alarm`, in order of epochs.
    """
    found = {}
    for count in range(1, len(history) + 1):
        for alarm in newly_raised(history[:count], found):
            found[alarm.alarm] = alarm
    return list(found.values())


def newly_raised(history, known):
    """Finds the alarms that the last epoch raises.

    Args:
        history: As for `raised`.
        known: Names of the alarms that were raised before.

    Returns:
        A list of `Alarm`.
    """
    if not history or not history[-1]["alpha"] > 0:
        return []
    texts = {name: rule(history) for name, rule in RULES.items()}
    return [
        Alarm(history[-1]["epoch"], name, text)
        for name, text in texts.items()
        if text is not None and name not in known
    ]


def _no_coverage(history):
    last = _last(history, "coverage", EPOCHS_WITHOUT_COVERAGE)
    if last is None or not (last < LEAST_COVERAGE).all():
        return None
    # A network that is not sure yet may still become so.
    known = [row["coverage"] for row in _active(history)]
    if max(known) < LEAST_COVERAGE and len(known) < EPOCHS_TO_RISE:
        return None
    return (
        f"Hardly a pseudo-label counts: less than {LEAST_COVERAGE:.0%} of the "
        f"unlabeled rows were accepted in each of the last {len(last)} epochs, "
        "so training goes on with the labels alone. Consider a lower "
        "threshold, or more epochs on the labels before alpha rises."
    )


def _one_class(history):
    rows = _active(history)[-EPOCHS_OF_ONE_CLASS:]
    if len(rows) < EPOCHS_OF_ONE_CLASS:
        return None
    shares = [np.asarray(row["class_shares"]) for row in rows]
    labeled = np.asarray(rows[-1]["labeled_shares"])
    largest = {int(np.argmax(share)) for share in shares}
    # Halfway from its share of the labels to everything.
    if len(largest) > 1 or not all(
        share.max() > (1 + labeled[share.argmax()]) / 2 for share in shares
    ):
        return None
    (name,) = largest
    return (
        f"One class takes most pseudo-labels: class {name} got "
        f"{shares[-1][name]:.0%} of them, and {labeled[name]:.0%} of the "
        f"labels. The network is collapsing. {_HINT}; a class prior "
        "(class_prior) works against it."
    )


def _churn(history):
    last = _last(history, "churn", 2 * CHURN_EPOCHS)
    if last is None:
        return None
    before, now = np.split(last, 2)
    if now.mean() < MOST_CHURN or now.mean() < 0.8 * before.mean():
        return None
    return (
        f"Pseudo-labels do not settle: {now.mean():.0%} of them change from "
        f"epoch to epoch, as many as {CHURN_EPOCHS} epochs ago. Consider a "
        "lower learning rate, labels made once per epoch (teacher=lagged), or "
        "a threshold."
    )


def _validation_fell(history):
    """Compares the last epochs with the best ones, beyond their noise."""
    # Of epochs with validation alone: `validation_freq` may leave out some.
    history = [
        row
        for row in history
        if not math.isnan(row.get("val_accuracy", math.nan))
    ]
    values = np.array([row["val_accuracy"] for row in history], np.float64)
    if len(values) < 2 * VALIDATION_EPOCHS:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(
        values, VALIDATION_EPOCHS
    )
    means = windows.mean(axis=1)
    best = int(means.argmax())
    noise = math.hypot(windows[best].std(ddof=1), windows[-1].std(ddof=1))
    # Half as many errors again, between two points and five: a few of some
    # hundred validation rows change sides in healthy runs, too.
    limit = float(np.clip((1 - means[best]) / 2, LEAST_FALL, MOST_FALL))
    fall = means[best] - means[-1]
    if len(_active(history)) < VALIDATION_EPOCHS or fall <= max(
        limit, 2 * noise
    ):
        return None
    return (
        f"Pseudo-labels are hurting: validation accuracy fell from "
        f"{means[best]:.1%} (epochs {history[best]['epoch']} to "
        f"{history[best]['epoch'] + VALIDATION_EPOCHS - 1}) to {means[-1]:.1%} "
        f"with alpha up. Compare with the supervised arm. {_HINT}."
    )


RULES = {
    "no_coverage": _no_coverage,
    "one_class": _one_class,
    "churn": _churn,
    "validation_fell": _validation_fell,
}


def _active(history):
    """The epochs in which pseudo-labels counted."""
    return [row for row in history if row["alpha"] > 0]


def _last(history, key, count):
    """The last values of the active epochs; None where one is not known."""
    values = [row.get(key, math.nan) for row in _active(history)[-count:]]
    values = np.array(values, np.float64)
    return None if len(values) < count or np.isnan(values).any() else values
