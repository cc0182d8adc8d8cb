"""Whose output is believed: the source of the scores behind a pseudo-label."""


def inference(model, x, student_scores):
    """Scores from a separate pass in inference mode: dropout off.

    Args:
        model: The `PseudoLabelModel` under training.
        x: A batch of unlabeled inputs.
        student_scores: What the training-mode pass gave for `x`; not used.

    Returns:
        Float tensor `(batch, ..., classes)`.
    """
    del student_scores
    return model(x, training=False)


def training(model, x, student_scores):
    """The scores that the loss itself uses: one forward pass less.

    Args:
        model: The `PseudoLabelModel` under training; not used.
        x: A batch of unlabeled inputs; not used.
        student_scores: What the training-mode pass gave for `x`.

    Returns:
        `student_scores`.
    """
    del model, x
    return student_scores


TEACHERS = {"inference": inference, "training": training}
