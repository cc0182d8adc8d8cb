import contextlib

from tf_pseudolabel.lab.callbacks.best_classifier import (
    BestClassifier,
    best_epoch,
)


class _Model:
    @contextlib.contextmanager
    def evaluated(self):
        yield "weights of the epoch"


def _saved_epochs(accuracies, rows=(), first=0):
    rows, saved = list(rows), []
    callback = BestClassifier(rows, lambda classifier: saved.append(epoch))
    callback.set_model(_Model())
    for epoch, accuracy in enumerate(accuracies, first):
        row = {"epoch": epoch, "val_accuracy": accuracy}
        rows.append(row)  # The history is kept before.
        callback.on_epoch_end(epoch, row)
    return saved


def test_saves_each_epoch_that_beats_all_before():
    assert _saved_epochs([0.5, 0.4, 0.6, 0.6, 0.7]) == [0, 2, 4]


def test_an_accuracy_of_zero_is_the_best_so_far():
    assert _saved_epochs([0.0, 0.0]) == [0]


def test_goes_on_where_an_interrupted_run_stopped():
    before = [{"epoch": 0, "val_accuracy": 0.6}]
    assert _saved_epochs([0.5, 0.6, 0.7], before, first=1) == [3]


def test_the_best_epoch_is_the_first_of_equals():
    rows = [
        {"epoch": epoch, "val_accuracy": accuracy}
        for epoch, accuracy in enumerate([0.5, 0.7, 0.6, 0.7])
    ]
    assert best_epoch(rows) == {"epoch": 1, "val_accuracy": 0.7}
