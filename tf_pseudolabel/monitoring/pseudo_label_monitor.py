"""Shows whether the pseudo-labels are any good, while training goes on."""

import math
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel.monitoring import alarms

ON_ALARM = ("warn", "stop")
# How TensorBoard knows rows of left edge, right edge and count.
_HISTOGRAM = tf.compat.v1.SummaryMetadata(
    plugin_data={"plugin_name": "histograms"}, data_class="DATA_CLASS_TENSOR"
)


class PseudoLabelWarning(UserWarning):
    """Pseudo-labels seem to go wrong."""


class PseudoLabelMonitor(keras.callbacks.Callback):
    """Logs how good the pseudo-labels of an epoch were, and raises alarms.

    To the logs of every epoch, and so to `History`, the progress bar and the
    callbacks placed after this one (TensorBoard, EarlyStopping), it adds what
    is known of the following. `CSVLogger` keeps the columns of its first epoch:
    where alpha begins at 0 these are not among them, but in `history`.

    - `coverage`: share of the unlabeled rows that count;
    - `confidence`: mean largest probability;
    - `entropy`: mean entropy of the outputs, in nats;
    - `class_distance`: total variation distance, 0 to 1, of the classes of the
      pseudo-labels that count from those of the labeled rows;
    - `churn`: share of the probe's rows whose pseudo-label is another one than
      an epoch ago, as the teacher labels them;
    - with hidden labels: `pseudo_label_accuracy`, of all; `accepted_accuracy`,
      of those that count; and `calibration_error`, the expected calibration
      error over 15 bins (Guo et al., "On Calibration of Modern Neural
      Networks", ICML 2017).

    Where every output is a yes or no (`MultiHot`, or a single one), these are
    figures of outputs, not of rows.

    All but churn are gathered from the very labels that were trained on, at no
    extra pass. Hidden labels are those of the unlabeled stream; they are never
    trained on.

    Alarms, once each, as `PseudoLabelWarning`: hardly a row counts any more;
    one class takes most labels; the labels do not settle; validation accuracy
    fell while alpha was up. `alarms` says by which rules.

    Args:
        probe: Unlabeled inputs, some hundred rows, that the teacher is asked
            for after every epoch, for `churn`: nested arrays, or a batched
            `tf.data.Dataset`. Defaults to None: no churn.
        on_alarm: `"warn"`, or `"stop"`: end training, too. Defaults to
            `"warn"`.
        log_dir: The directory given to `keras.callbacks.TensorBoard`: adds
            histograms of classes and confidences there. Defaults to None.

    Attributes:
        history: List of dicts, one per epoch: the figures above (NaN where
            nothing is known), `epoch`,
            `alpha`, `val_accuracy`, and the lists `class_shares` and
            `labeled_shares`, the classes of the pseudo-labels that count and
            of the labeled rows.
        alarms: List of `alarms.Alarm`, those raised so far.

    Raises:
        ValueError: If `on_alarm` is unknown.
    """

    def __init__(self, probe=None, on_alarm="warn", log_dir=None):
        super().__init__()
        if on_alarm not in ON_ALARM:
            raise ValueError(
                f"`on_alarm` is one of {', '.join(ON_ALARM)}; got {on_alarm!r}."
            )
        self.probe = probe
        self.on_alarm = on_alarm
        self.log_dir = log_dir
        self.history = []
        self.alarms = []
        self._labels = None
        self._watched = self._writer = None

    @property
    def stopped(self):
        """Whether an alarm has ended training."""
        return self.on_alarm == "stop" and bool(self.alarms)

    def on_train_begin(self, logs=None):
        """Looks at the model, and labels the probe for the first time."""
        if not hasattr(self.model, "statistics"):
            raise ValueError(
                "PseudoLabelMonitor watches a PseudoLabelModel; got "
                f"{type(self.model).__name__}. Wrap the classifier in "
                "tf_pseudolabel.PseudoLabelModel."
            )
        if self._watched not in (None, self.model):
            # Of another model: its history says nothing of this one.
            self.history, self.alarms, self._labels = [], [], None
        self._watched = self.model
        if self.probe is not None and self._labels is None:
            self._labels = self._labels_of_probe()

    def on_epoch_end(self, epoch, logs=None):
        """Adds the figures to the logs, and looks for alarms."""
        summary = self.model.statistics.summary()
        row = {
            "epoch": epoch,
            "alpha": float(self.model.alpha.numpy()),
            "val_accuracy": _validation_accuracy(logs),
            "churn": self._churn(),
            **summary,
        }
        # A NaN would be the best value that other callbacks know, for ever.
        figures = {
            name: value
            for name, value in row.items()
            if isinstance(value, float)
            and name not in ("alpha", "val_accuracy")
            and not math.isnan(value)
        }
        if logs is not None:
            logs.update(figures)
        self._write_histograms(epoch, summary)
        self.history.append(
            {
                name: value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in row.items()
                if name != "confidences"
            }
        )
        known = {alarm.alarm for alarm in self.alarms}
        for alarm in alarms.newly_raised(self.history, known):
            self.alarms.append(alarm)
            warnings.warn(
                f"Epoch {epoch}: {alarm.text}", PseudoLabelWarning, stacklevel=2
            )
            if self.on_alarm == "stop":
                self.model.stop_training = True

    def get_state(self):
        """Returns what a checkpoint must hold: a dict for JSON."""
        labels = self._labels
        return {
            "history": self.history,
            "labels": None if labels is None else labels.tolist(),
        }

    def set_state(self, state):
        """Goes on from what `get_state` returned.

        Args:
            state: A dict.
        """
        self.history = list(state["history"])
        self.alarms = alarms.raised(self.history)
        if state["labels"] is not None:
            self._labels = np.array(state["labels"], np.int64)

    def _labels_of_probe(self):
        return self.model.label(self.probe).ids

    def _churn(self):
        if self.probe is None:
            return math.nan
        before, self._labels = self._labels, self._labels_of_probe()
        there = (before >= 0) | (self._labels >= 0)  # Padding is -1 in both.
        if not there.any():
            return math.nan
        return float(np.mean((before != self._labels)[there]))

    def _write_histograms(self, epoch, summary):
        if self.log_dir is None or not summary["confidences"].any():
            return
        if self._writer is None:
            # Where Keras writes: one run in TensorBoard, not two.
            self._writer = tf.summary.create_file_writer(
                str(pathlib.Path(self.log_dir) / "train")
            )
        shares, rows = summary["class_shares"], summary["confidences"]
        classes = np.arange(len(shares) + 1) - 0.5
        sureness = np.linspace(0, 1, len(rows) + 1)
        with self._writer.as_default(step=epoch):
            _write_histogram("pseudo_label_classes", classes, shares)
            _write_histogram("pseudo_label_confidences", sureness, rows)
        self._writer.flush()


def _write_histogram(name, edges, counts):
    """Writes bins as they are; `tf.summary.histogram` would count samples."""
    bins = np.stack([edges[:-1], edges[1:], np.nan_to_num(counts)], axis=1)
    tf.summary.write(name, bins, metadata=_HISTOGRAM)


def _validation_accuracy(logs):
    """The validation accuracy, whatever form of it was compiled."""
    for name, value in (logs or {}).items():
        if name.startswith("val_") and name.endswith(("accuracy", "_acc")):
            return float(value)
    return math.nan
