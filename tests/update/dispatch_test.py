import types

import tensorflow as tf

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
