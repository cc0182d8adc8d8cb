import types

import keras
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import X_U, X, Y, model_of, streams
from tf_pseudolabel.update.dispatch import Dispatch, Trains


class _Model:
    """What `Dispatch` knows of a model."""

    def __init__(self, alternating=False, unlabeled=True, steps=1):
        self.alpha = tf.Variable(0.0)
        self.has_unlabeled = unlabeled
        self.is_alternating = alternating
        self.steps_per_execution = steps
        self.distribute_strategy = tf.distribute.get_strategy()
        self.statistics = types.SimpleNamespace(shown=())
        self.trains = None
        self.made, self.run = [], []
        self.dispatch = Dispatch(self, self._make)

    def _make(self):
        trained = self.trains
        self.made.append(trained)

        def function(iterator):
            self.run.append(trained)
            return trained

        return function


def test_alpha_0_trains_without_unlabeled_rows():
    model = _Model()
    for alpha in (0.0, 0.5, 2.0, 0.0):
        model.alpha.assign(alpha)
        model.dispatch(None)

    without, both = Trains(True, False), Trains(True, True)
    assert model.run == [without, both, both, without]
    # Each is made once, as what it was made for.
    assert model.made == [without, both]


def test_without_unlabeled_rows_alpha_does_not_matter():
    model = _Model(unlabeled=False)
    model.alpha.assign(1.0)

    assert model.dispatch(None) == Trains(True, False)


def test_alternating_updates_train_on_the_part_that_has_rows():
    labeled = (tf.ones([2, 1]), tf.ones([2])), tf.ones([0, 1])
    unlabeled = (tf.ones([0, 1]), tf.ones([0])), tf.ones([3, 1])
    model = _Model(alternating=True, steps=2)
    iterator = iter([labeled, unlabeled, unlabeled, labeled])
    model.dispatch(iterator)
    model.alpha.assign(1.0)
    model.dispatch(iterator)

    assert model.run == [
        Trains(True, False),
        Trains(False, False),
        Trains(False, True),
        Trains(True, False),
    ]


def test_other_figures_are_another_function():
    model = _Model()
    model.dispatch(None)
    model.statistics.shown = ("coverage",)
    model.dispatch(None)

    assert len(model.made) == 2


@pytest.mark.parametrize("updates", [4, 50])
def test_the_last_updates_of_alternating_streams_are_a_group(updates):
    """Some are left over, or all are fewer than a group."""
    labeled = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    unlabeled = tf.data.Dataset.from_tensor_slices(X_U).batch(3)

    def trained(updates):
        seen = []
        model = model_of()
        model.compile(model.optimizer, model.loss, steps_per_execution=updates)
        logs = model.fit(
            tpl.alternate_streams(labeled, unlabeled, 2),
            epochs=2,
            verbose=0,
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_train_batch_end=lambda batch, logs: seen.append(batch)
                )
            ],
        ).history
        return logs, seen, int(model.updates)

    one, every, count = trained(1)
    logs, seen, same = trained(updates)

    steps = len(every) // 2
    assert same == count == 2 * steps
    # As Keras has it: where the group would have ended.
    assert seen[-1] == -(-steps // updates) * updates - 1
    assert logs["loss"] == pytest.approx(one["loss"], rel=1e-6)


@pytest.mark.parametrize("alpha", [-1.0, float("nan"), float("inf")])
def test_an_alpha_that_is_none_is_refused(alpha):
    model = model_of(alpha=alpha)
    with pytest.raises(ValueError, match=f"at least 0; got {alpha}"):
        model.fit(streams((X, Y), (X_U,)), verbose=0)
