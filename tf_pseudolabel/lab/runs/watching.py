"""What is shown and written while an arm trains."""

import keras

from tf_pseudolabel.callbacks.start_over import StartOver
from tf_pseudolabel.lab.analysis import embedding
from tf_pseudolabel.lab.callbacks.best_classifier import BestClassifier
from tf_pseudolabel.lab.callbacks.epoch_progress import EpochProgress
from tf_pseudolabel.lab.callbacks.stop_on_nan import StopOnNaN
from tf_pseudolabel.monitoring.pseudo_label_monitor import PseudoLabelMonitor

# An eighth of the unlabeled rows, at most: a small share of an epoch's cost.
PROBE_SHARE, PROBE_ROWS = 8, 256
_SHOWN = (
    "alpha",
    "accuracy",
    "val_accuracy",
    "pseudo_label_accuracy",
    "coverage",
    "churn",
)


def monitor(arm, recipe, split, run_dir):
    """Makes the monitor of an arm.

    Args:
        arm: An `Arm`.
        recipe: A `Recipe`.
        split: A `Split`.
        run_dir: A `RunDirectory`.

    Returns:
        A `PseudoLabelMonitor`, or None for an arm without pseudo-labels.
    """
    if not arm.unlabeled:
        return None
    count = len(split.unlabeled)
    limit = min(PROBE_ROWS, max(1, count // PROBE_SHARE))
    rows = embedding.sample_rows(count, limit, recipe.seed)
    return PseudoLabelMonitor(
        probe=split.unlabeled.take(rows).read(),
        on_alarm=recipe.on_alarm,
        log_dir=run_dir / "tensorboard" / arm.name,
    )


def callbacks(arm, recipe, checkpoints, run_dir, history):
    """Makes what every arm gets.

    The order matters: NaN is found before anything is written, what is
    written is written before the checkpoint that says so, and a network that
    starts over has been looked at and not yet been saved.

    Args:
        arm: An `Arm`.
        recipe: A `Recipe`.
        checkpoints: The arm's `Checkpoints`, its monitor among them.
        run_dir: A `RunDirectory`.
        history: List of dicts: the rows of the arms before.

    Returns:
        A list of Keras callbacks.
    """
    watch = checkpoints.monitor

    def keep(epoch, logs):
        row = {"arm": arm.name, "epoch": epoch, "alpha": 0.0, **logs}
        if watch is not None:
            shares = watch.history[-1]["class_shares"]
            row["class_shares"] = " ".join(f"{share:.4g}" for share in shares)
        checkpoints.rows.append({key: _plain(v) for key, v in row.items()})
        run_dir.write_history([*history, *checkpoints.rows])

    def report(epoch, logs):
        new = [alarm for alarm in watch.alarms if alarm.epoch == epoch]
        for alarm in new:
            print(f"\nWarning, epoch {epoch}: {alarm.text}")
        if new:
            run_dir.write_json(
                "warnings.json", [alarm._asdict() for alarm in watch.alarms]
            )

    def save(classifier):
        with run_dir.replacing(f"best/{arm.name}.keras") as partial:
            classifier.save(partial)

    def at_epoch_end(function):
        return keras.callbacks.LambdaCallback(on_epoch_end=function)

    rounds = recipe.restart_epochs
    return [
        StopOnNaN(),
        *([] if watch is None else [watch]),
        at_epoch_end(keep),
        BestClassifier(checkpoints.rows, save),
        _TensorBoardOfEpochs(
            run_dir / "tensorboard" / arm.name, write_graph=False
        ),
        EpochProgress(arm.name, recipe.epochs, _SHOWN),
        *([] if watch is None else [at_epoch_end(report)]),
        *([StartOver(rounds, recipe.epochs)] if rounds else []),
        checkpoints,
    ]


class _TensorBoardOfEpochs(keras.callbacks.TensorBoard):
    """Without what Keras makes of every batch, and throws away unwritten.

    That is a summary per figure: half a millisecond per update. Nor is written
    what validation came to by updates: it is among the figures of the epoch.
    """

    def on_train_batch_begin(self, batch, logs=None):
        """Writes nothing."""

    def on_train_batch_end(self, batch, logs=None):
        """Writes nothing."""

    def on_test_begin(self, logs=None):
        """Writes nothing."""

    def on_test_end(self, logs=None):
        """Writes nothing."""


def _plain(value):
    return value if isinstance(value, (str, int)) else float(value)
