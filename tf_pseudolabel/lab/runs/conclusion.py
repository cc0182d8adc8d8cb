"""What a run shows, and what it does not: the one place that says who won."""

import math

# Two-sided 5 % of the normal distribution.
_CRITICAL = 1.96


def conclude(metrics):
    """Says in plain sentences what a run tells.

    Args:
        metrics: Dict from arm to figures, as in `metrics.json`. From figures
            that are missing, as in older runs, nothing is concluded.

    Returns:
        A string.
    """
    return " ".join(filter(None, (_best(metrics), _effect(metrics))))


def alpha_was_zero(metrics):
    """Whether the pseudo-label arm trained on no pseudo-label.

    Args:
        metrics: As for `conclude`.

    Returns:
        A bool; False where it is not known.
    """
    return metrics["pseudo_label"].get("largest_alpha") == 0


def _best(metrics):
    """Which classifier is best on validation data; "" where not measured."""
    found = {arm: figures.get("validation") for arm, figures in metrics.items()}
    if not all(found.values()):
        return ""
    accuracies = {arm: best["best_accuracy"] for arm, best in found.items()}
    if len(accuracies) > 1 and len({*accuracies.values()}) == 1:
        return (
            "Level on validation data: "
            f"{100 * accuracies['pseudo_label']:.2f} % of both arms."
        )
    winner = max(accuracies, key=accuracies.get)
    text = (
        f"Best on validation data: {winner}, {100 * accuracies[winner]:.2f} % "
        f"in epoch {found[winner]['best_epoch']}"
    )
    for arm, accuracy in accuracies.items():
        if arm != winner:
            text += f", against {100 * accuracy:.2f} % of {arm}"
    text += f" (best/{winner}.keras)."
    if winner == "supervised" and not alpha_was_zero(metrics):
        text += (
            " Trust that classifier, or try more labels, a later --t1, a lower "
            "--alpha_f."
        )
    return text


def _effect(metrics):
    """What pseudo-labels did to the test error of this split."""
    if alpha_was_zero(metrics):
        return (
            "Alpha was 0 throughout: no pseudo-label was trained on, so this "
            "run says nothing about pseudo-labels."
        )
    if "supervised" not in metrics:
        return (
            "This run has one arm only, so what pseudo-labels did is not "
            "known: train the supervised baseline, too."
        )
    before, after = metrics["supervised"], metrics["pseudo_label"]
    change = (
        f"from {before['test_error_percent']:.2f} % to "
        f"{after['test_error_percent']:.2f} %"
    )
    theirs, ours = before.get("right_alone"), after.get("right_alone")
    if theirs is None or ours is None:
        return (
            f"The test error goes {change}; whether by more than chance was "
            "not recorded."
        )
    if not _differ(theirs, ours):
        said = f"show no effect beyond chance: the error goes {change}"
    elif ours > theirs:
        said = f"helped: the error fell {change}"
    else:
        said = f"hurt: the error rose {change}"
    return (
        f"On the test set the pseudo-labels {said}. Of "
        f"{after['test_examples']:,} test examples, {ours:,} are right with "
        f"pseudo-labels alone and {theirs:,} with supervision alone."
    )


def _differ(first, second):
    """McNemar's test with continuity correction, at 5 %.

    Args:
        first: Int: rows that the first network alone gets right.
        second: Int: those of the second.
    """
    return abs(first - second) - 1 > _CRITICAL * math.sqrt(first + second)
