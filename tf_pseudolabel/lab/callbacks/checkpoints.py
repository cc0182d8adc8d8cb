"""Saves what training needs to go on as if it had never stopped."""

import contextlib
import json
import pathlib
import re
import shutil
import signal
import time

import keras
import tensorflow as tf

from tf_pseudolabel.distribution import (
    replicas as distribute,
)
from tf_pseudolabel.distribution import (
    strategies as cluster,
)
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs.interruption import Interrupted

# The largest share of the time that saving finished epochs may take.
SHARE = 0.05
_PREFIX = "ckpt"
_PROGRESS = "progress/.ATTRIBUTES/VARIABLE_VALUE"
_PROGRESS_KEYS = ("epoch", "batch", "rows", "seconds", "monitor")
# The reader has its own exception for every way to be damaged.
_UNREADABLE = (
    *(tf.errors.OpError, OSError),
    *(LookupError, RuntimeError, TypeError, ValueError),
)
# TensorFlow writes to ckpt-N_temp/ first.
_FILE = re.compile(rf"{_PREFIX}-(\d+)(_temp)?(\..*)?")
# What TensorFlow puts around the reason of an error.
_OPERATION = re.compile(r"\{\{.*?\}\} | \[Op:.*", re.DOTALL)
# Batches between two times that machines ask each other whether to save.
_ASK_EVERY = 16


class Checkpoints(keras.callbacks.Callback):
    """Saves when epochs end and every few minutes; restores when asked to.

    Epochs that follow each other faster than they can be saved at little cost
    are left out, the last one excepted.

    A checkpoint holds the model's variables (alpha and the seeds of dropout
    among them), the optimizer's, the values that metrics have gathered in the
    epoch at hand, and the progress: epoch, batch, history, seconds. With the
    data a function of epoch and batch, nothing else is needed.

    The model, its optimizer and its metrics must have been built when training
    begins, as `PseudoLabelModel` sees to.

    Training goes on by calling `fit` with `initial_epoch=self.epoch` and the
    batches from `self.batch` on. The state is restored when it begins.

    Args:
        directory: Where checkpoints are read from, by every worker.
        strategy: The `tf.distribute.Strategy` of the model.
        listener: A `Listener`: once it has heard a signal, the state is saved
            before the next batch, and `Interrupted` raised.
        minutes: Float: longest time between two checkpoints.
        keep: How many of the last checkpoints are kept.
        monitor: A callback with `get_state` and `set_state`, whose state is
            saved and restored, too; placed before this one. Or None.
        arm: What is trained: the checkpoints of another arm are refused.
            Defaults to None: those of any.

    Attributes:
        epoch: The epoch to go on with, from 0.
        batch: The batch of that epoch to go on with.
        rows: List of dicts: the history up to there, one per epoch.
        seconds: Seconds of training up to now, interruptions left out.
    """

    def __init__(
        self,
        directory,
        strategy,
        listener,
        minutes=10.0,
        keep=3,
        monitor=None,
        arm=None,
    ):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.strategy = strategy
        self.listener = listener
        self.minutes = minutes
        self.keep = keep
        self.monitor = monitor
        self.arm = arm
        self.epoch = self.batch = 0
        self.rows = []
        self._seconds = 0.0
        self._first_batch = 0
        self._state = self._manager = None
        self._since = self._saved = time.monotonic()
        self._cost = 0.0
        self._source = _newest_whole(self.directory)
        if self._source is not None:
            progress = _progress_in(self._source)
            self._check_arm(progress)
            self._set_progress(*(progress[key] for key in _PROGRESS_KEYS))
        self._saved_at = self.epoch, self.batch

    @property
    def seconds(self):
        """Seconds of training up to now."""
        return self._seconds + time.monotonic() - self._since

    def on_train_begin(self, logs=None):
        """Restores the state, the first time."""
        if self._state is not None:
            return
        self._metrics = [
            v.value for m in self.model.metrics for v in m.variables
        ]
        self._state = tf.train.Checkpoint(
            variables=[
                v.value
                for v in (
                    *self.model.variables,
                    *self.model.optimizer.variables,
                )
            ],
            metrics=[tf.Variable(v) for v in self._gathered_metrics()],
            progress=tf.Variable("", dtype=tf.string),
        )
        if self._source is not None:
            self._restore()
        if cluster.is_chief(self.strategy):
            with self._room():
                self._tidy()
                self._manager = tf.train.CheckpointManager(
                    self._state, self.directory, None, checkpoint_name=_PREFIX
                )
        self._since = self._saved = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        """Gives back to the metrics what an interrupted epoch had gathered."""
        self._first_batch = self.batch
        if self.batch:
            distribute.assign_local_values(
                self.strategy, self._metrics, self._state.metrics
            )

    def on_train_batch_begin(self, batch, logs=None):
        """Saves if it is time, or the process is asked to end."""
        batch += self._first_batch
        if cluster.is_multi_worker(self.strategy) and batch % _ASK_EVERY:
            return
        late = time.monotonic() - self._saved > 60 * self.minutes
        asked = self.listener.received is not None
        if cluster.any_worker(self.strategy, late or asked):
            self.batch = batch
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        """Saves, if that costs little beside the time since it last did."""
        self.epoch, self.batch = epoch + 1, 0
        # The chief's word, as it alone writes.
        due = cluster.is_chief(self.strategy) and (
            time.monotonic() - self._saved >= self._cost / SHARE
        )
        if cluster.any_worker(self.strategy, due):
            self._save()

    def on_train_end(self, logs=None):
        """Saves the last epoch."""
        if self._saved_at != (self.epoch, self.batch):
            self._save()

    def _save(self):
        """Saves, and ends the run if any worker is asked to."""
        if self.batch:  # An epoch begins with metrics that hold nothing.
            for variable, values in zip(
                self._state.metrics, self._gathered_metrics(), strict=True
            ):
                variable.assign(values)
        begun = time.monotonic()
        self._state.progress.assign(self._progress())
        if cluster.is_chief(self.strategy):
            self._write()
        self._saved = time.monotonic()
        self._cost = self._saved - begun
        self._saved_at = self.epoch, self.batch
        heard = self.listener.received
        if cluster.any_worker(self.strategy, heard is not None):
            raise Interrupted(heard or signal.SIGTERM)

    def _check_arm(self, progress):
        """Refuses the checkpoints of another arm, which fit this one's model.

        Older checkpoints say of which arm they are in their rows alone.
        """
        rows = progress["rows"]
        found = progress.get("arm") or (rows and rows[0].get("arm"))
        if self.arm and found and found != self.arm:
            raise InputError(
                f"{self.directory} must hold checkpoints of the arm "
                f"{self.arm}; {self._source} is of {found}. Put the folders "
                "back in their places, or name another --output_dir."
            )

    def _restore(self):
        try:
            self._state.restore(self._source).assert_consumed()
        except (AssertionError, ValueError) as error:
            # TensorFlow names a hundred variables.
            raise InputError(
                f"The checkpoint {self._source} is of another network, or of "
                "another number of replicas than the "
                f"{self.strategy.num_replicas_in_sync} of now. Go on with the "
                "devices and the versions that the run began with, or name "
                "another --output_dir."
            ) from error

    def _write(self):
        with self._room():
            self._manager.save()
            _remove_all_but(
                _numbered(self.directory)[-self.keep :], self.directory
            )

    def _tidy(self):
        """Removes what is damaged; its numbers are given anew."""
        found = _numbered(self.directory)
        while found and str(found[-1]) != self._source:
            found.pop()
        _remove_all_but(found, self.directory)
        try:
            tf.train.get_checkpoint_state(self.directory)
        except ValueError:  # TensorFlow's own list, which is not needed.
            (self.directory / "checkpoint").unlink()

    @contextlib.contextmanager
    def _room(self):
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            raise InputError(
                f"No checkpoint could be written to {self.directory}: "
                f"{_OPERATION.sub('', str(error))}. The one before it is kept: "
                "make room, and give the same command again."
            ) from error

    def _gathered_metrics(self):
        return distribute.local_values(self.strategy, self._metrics)

    def _progress(self):
        return json.dumps(
            {
                "arm": self.arm,
                "epoch": self.epoch,
                "batch": self.batch,
                "rows": self.rows,
                "seconds": self.seconds,
                "monitor": self.monitor and self.monitor.get_state(),
            }
        )

    def _set_progress(self, epoch, batch, rows, seconds, monitor):
        self.epoch, self.batch = epoch, batch
        self.rows = rows
        self._seconds = seconds
        if self.monitor is not None:
            self.monitor.set_state(monitor)


def _newest_whole(directory):
    """The newest checkpoint that can be read to its end, or None.

    A process can be killed, and a disk fill up, while one is written; every
    block of a checkpoint carries a check sum.
    """
    for path in reversed(_numbered(directory)):
        try:
            reader = tf.train.load_checkpoint(path)
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)
            _progress_in(path)
        except _UNREADABLE:
            print(f"Checkpoint {path} is damaged; looking for the one before.")
        else:
            return str(path)
    return None


def _progress_in(checkpoint):
    """The progress that a checkpoint holds: a dict with all its keys."""
    text = tf.train.load_checkpoint(checkpoint).get_tensor(_PROGRESS)
    progress = json.loads(text)
    needed = {key: progress[key] for key in _PROGRESS_KEYS}
    return {**progress, **needed}


def _numbered(directory):
    """The checkpoints of a directory, without suffix, the oldest first."""
    found = [
        path.with_suffix("")
        for path in directory.glob("*.index")
        if _FILE.fullmatch(path.name)
    ]
    return sorted(found, key=lambda path: int(_FILE.match(path.name)[1]))


def _remove_all_but(kept, directory):
    """Removes other checkpoints, and those that are half written."""
    names = {path.name for path in kept}
    for path in directory.glob("*"):
        if (
            _FILE.fullmatch(path.name)
            and path.name.partition(".")[0] not in names
        ):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
