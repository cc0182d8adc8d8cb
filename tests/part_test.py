import gc
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import X_U, linear, model_of, passed, streams
from tf_pseudolabel import part
from tf_pseudolabel.labels import selections
from tf_pseudolabel.labels.selections import All, Selection
from tf_pseudolabel.losses import Term
from tf_pseudolabel.part import Configured, Part, Spec
from tf_pseudolabel.update.mixup import Mixup

# What can be written down.


@keras.saving.register_keras_serializable(package="tf_pseudolabel_test")
class Plain(Configured):
    pass


@keras.saving.register_keras_serializable(package="tf_pseudolabel_test")
class Tuned(Configured):
    def __init__(self, factor=2):
        self.factor = factor

    def get_config(self):
        return {"factor": self.factor}


def _round_trip(value):
    config = keras.saving.serialize_keras_object(value)
    return keras.saving.deserialize_keras_object(config)


def test_without_arguments_there_is_nothing_to_configure():
    assert Plain().get_config() == {}
    assert type(_round_trip(Plain())) is Plain


def test_arguments_come_back():
    assert _round_trip(Tuned(5)).factor == 5


def test_lists_come_back_in_order():
    found = _round_trip([Tuned(3), Plain(), Tuned(4)])

    assert [type(value) for value in found] == [Tuned, Plain, Tuned]
    assert [found[0].factor, found[2].factor] == [3, 4]


def test_arguments_unknown_to_the_constructor_are_refused():
    with pytest.raises(TypeError, match="divisor"):
        Tuned.from_config({"divisor": 1})


def test_shown_as_it_is_made():
    assert repr(Plain()) == "Plain()"
    assert repr(Tuned(5)) == "Tuned(factor=5)"
    assert repr(tpl.Threshold(0.5)) == "Threshold(threshold=0.5, mean='all')"


# Numbers.

NUMBERS = [
    (lambda: tpl.Threshold(0.75), "threshold", 0.25),
    (lambda: tpl.Sharpened(0.75), "temperature", 0.25),
    (lambda: tpl.ClassPrior(0.75), "weight", 0.0),
    (lambda: tpl.MinimumEntropy(0.75), "weight", 0.25),
    (lambda: tpl.ConditionalEntropy(0.75), "weight", 0.25),
    (lambda: Mixup(0.75), "strength", 4.0),
]


@pytest.mark.parametrize(("make", "name", "other"), NUMBERS)
def test_a_number_is_a_float_outside_and_current_in_a_graph(make, name, other):
    made = make()
    made.build_for(Spec(linear(), (None, 3)))
    read = tf.function(lambda: tf.identity(getattr(made, name)))
    assert getattr(made, name) == 0.75
    assert isinstance(getattr(made, name), float)
    assert float(read()) == 0.75

    setattr(made, name, other)
    assert getattr(made, name) == other
    assert float(read()) == other
    assert read.experimental_get_tracing_count() == 1


def test_a_number_of_a_part_that_is_in_no_model_is_current_too():
    made = tpl.Threshold(0.75)
    read = tf.function(lambda: tf.identity(made.threshold))
    assert float(read()) == 0.75

    made.threshold = 0.25
    assert float(read()) == 0.25


@pytest.mark.parametrize(("make", "name", "other"), NUMBERS[:-1])
def test_the_config_has_the_number_as_it_is(make, name, other):
    made = make()
    tf.function(lambda: tf.identity(getattr(made, name)))()
    setattr(made, name, other)

    assert made.get_config()[name] == other
    assert getattr(_round_trip(made), name) == other


@pytest.mark.parametrize("value", [math.nan, math.inf, "much", None, [1.0, 2]])
@pytest.mark.parametrize(("make", "name", "other"), NUMBERS[:3])
def test_what_is_no_finite_number_is_refused(make, name, other, value):
    made = make()
    with pytest.raises(ValueError, match="must be a finite number; got"):
        setattr(made, name, value)
    assert getattr(made, name) == 0.75


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (NUMBERS[0][0], "threshold", 1.5),
        (NUMBERS[1][0], "temperature", 0.0),
        (NUMBERS[2][0], "weight", -0.1),
        (NUMBERS[5][0], "strength", 0.0),
    ],
)
def test_a_number_that_breaks_its_rule_changes_nothing(make, name, value):
    made = make()
    with pytest.raises(ValueError, match=f"got {value}"):
        setattr(made, name, value)
    assert getattr(made, name) == 0.75


def test_numpy_numbers_and_scalar_tensors_are_numbers():
    made = tpl.Threshold(np.float32(0.5))
    assert made.get_config()["threshold"] == 0.5
    made.threshold = tf.constant(0.25)
    assert made.get_config()["threshold"] == 0.25


def test_two_parts_have_a_number_each():
    first, second = tpl.Threshold(0.25), tpl.Threshold(0.5)
    first.threshold = 0.75

    assert [first.threshold, second.threshold] == [0.75, 0.5]
    assert tpl.Threshold.threshold is not None  # The class has the descriptor.


def test_a_number_is_no_weight():
    made = tpl.Threshold()
    tf.function(lambda: made.threshold)()

    assert made.variables == []


def _coverage(model, epochs=1, **kwargs):
    merged = streams(unlabeled=(X_U,), batch_u=6)
    history = model.fit(merged, epochs=epochs, verbose=0, **kwargs).history
    return history["coverage"]


@pytest.mark.parametrize("replicas", [1, 2])
def test_changed_before_between_and_during_fits(replicas, request):
    strategy = (
        tf.distribute.get_strategy()
        if replicas == 1
        else request.getfixturevalue("two_replicas")
    )
    with strategy.scope():
        model = model_of(rate=0.0, selection=tpl.Threshold(0.4))
    selection = model.selection
    selection.threshold = 1.0

    class Change(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_begin(self, batch, logs=None):
            if (self.epoch, batch) == (1, 1):
                selection.threshold = 0.0

    assert _coverage(model, epochs=3, callbacks=[Change()]) == [0.0, 0.5, 1.0]
    selection.threshold = 1.0
    assert _coverage(model) == [0.0]
    assert model.get_config()["selection"]["config"]["threshold"] == 1.0


def test_numbers_do_not_have_a_step_traced_twice():
    class Counting(Term):
        traced = 0

        def sums(self, context):
            Counting.traced += 1
            return tf.constant(1.0), tf.constant(1.0)

    model = model_of(
        selection=tpl.Threshold(0.5), terms=[Counting(name="counting")]
    )
    _coverage(model, epochs=2)

    assert Counting.traced == 1


def test_changed_between_eager_updates():
    model = model_of(selection=tpl.Threshold(1.0))
    assert not passed(model).beliefs.weight.numpy().any()

    model.selection.threshold = 0.0
    assert passed(model).beliefs.weight.numpy().all()


# Parts.


class Half(Selection):
    """Counts every row by half; remembers how many it has seen."""

    def __init__(self, share=0.5, name=None):
        super().__init__(name=name)
        self.share = share

    def build(self, spec):
        self.seen = self.state("seen")
        self.by_class = self.state("by_class", (spec.classes,), 2.0)

    def row_weights(self, context, beliefs):
        return self.share * tf.ones_like(beliefs.confidence)

    def after_update(self, context):
        rows = tf.cast(context.unlabeled.count, tf.float32)
        self.seen.assign_add(context.over_replicas(rows))

    def get_config(self):
        return {"share": self.share}


def test_ones_own_part_trains_and_is_loaded_without_being_named(tmp_path):
    model = model_of(selection=Half(0.25))
    model.fit(streams(batch_u=6), epochs=2, verbose=0)
    assert float(model.selection.seen.numpy()) == 24
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert type(loaded.selection) is Half
    assert loaded.selection.share == 0.25
    assert float(loaded.selection.seen.numpy()) == 24
    np.testing.assert_array_equal(loaded.selection.by_class, [2, 2, 2])


def test_state_is_equal_on_two_replicas(two_replicas):
    with two_replicas.scope():
        model = model_of(selection=Half())
    model.fit(streams(batch_u=5), verbose=0)

    assert float(model.selection.seen.numpy()) == 12


def test_state_is_neither_trained_nor_moved_by_the_precision():
    made = Half()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        made.build_for(Spec(linear(), (None, 3)))
    finally:
        keras.config.set_dtype_policy("float32")

    assert made.trainable_variables == []
    assert made.seen.dtype == made.by_class.dtype == "float32"
    np.testing.assert_array_equal(made.by_class, [2, 2, 2])


def test_a_part_is_named_after_its_class():
    names = [made().name for made in (All, tpl.TopShare, tpl.ClassPrior)]
    assert names == ["all", "top_share", "class_prior"]
    assert tpl.ClassPrior(name="prior").name == "prior"


def test_hooks_do_nothing_unless_overridden():
    assert part.overrides(Half(), "after_update")
    assert not part.overrides(Half(), "end_epoch")
    assert part.overrides(tpl.Lagged(), "end_epoch")
    Part().begin(None)
    Part().end_epoch(None)
    Part().after_update(None)


class Heard(Selection):
    """Notes what it hears of."""

    def __init__(self, name=None):
        super().__init__(name=name)
        self.heard = []

    def build(self, spec):
        self.heard.append(("build", spec.classes))

    def begin(self, progress):
        self.heard.append(("begin", progress.epoch))

    def end_epoch(self, progress):
        self.heard.append(("end", progress.epoch))

    def row_weights(self, context, beliefs):
        return None

    def get_config(self):
        return {}


def test_parts_hear_of_epochs():
    model = model_of(selection=Heard())
    assert model.selection.heard == [("build", 3)]
    model.fit(streams(), epochs=4, initial_epoch=2, verbose=0)

    assert model.selection.heard[1:] == [("begin", 2), ("end", 2), ("end", 3)]


# One model each.


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("teacher", tpl.Lagged),
        ("selection", tpl.TopShare),
        ("selection", Half),
    ],
)
def test_a_part_with_state_belongs_to_one_model(kind, make):
    shared = make()
    model_of(**{kind: shared})
    gc.collect()  # Even where the first one has gone.

    with pytest.raises(
        ValueError, match=f"{make.__name__} remembers .*another"
    ):
        model_of(**{kind: shared})


def test_models_of_one_classifier_may_share_its_parts():
    classifier, shared = linear(), tpl.Lagged()
    first = model_of(classifier, teacher=shared)
    second = model_of(classifier, teacher=shared)

    assert first.teacher is second.teacher


def test_parts_without_state_may_be_shared():
    threshold, prior = tpl.Threshold(0.0), tpl.ClassPrior()
    for _ in range(2):
        model = model_of(selection=threshold, terms=[prior])
        assert passed(model).beliefs.weight.numpy().all()


def test_parts_of_an_unbuilt_classifier_are_built_with_it():
    classifier = keras.Sequential([keras.layers.Dense(3)])
    model = model_of(classifier, teacher="lagged", selection="top_share")
    assert model.teacher.weights == []

    model.build((None, 4))
    assert len(model.teacher.weights) == 3
    assert model.selection.thresholds.shape == (3,)


# What is no part.


def test_a_class_in_place_of_an_object_is_named():
    with pytest.raises(
        ValueError,
        match=r"`selection` takes .* Threshold\(0\.95\); got the class All",
    ):
        part.check("selection", All, Selection, "Threshold(0.95)")
    with pytest.raises(ValueError, match=r"instance of Term such as .*got 5"):
        part.check("terms", 5, Term, "ClassPrior(0.8)")
    part.check("selection", selections.All(), Selection, "All()")
