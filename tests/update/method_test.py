import keras
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import X_U, X, Y, linear, model_of, normalizing, streams
from tf_pseudolabel.labels.selections import Selection
from tf_pseudolabel.losses.pseudo_label import PseudoLabelLoss
from tf_pseudolabel.update.method import method_of


def _method(classifier=None, loss="mse", scale=1.0, **choices):
    return method_of(
        tpl.PseudoLabelModel(classifier or linear(), **choices), loss, scale
    )


@pytest.mark.parametrize(
    ("batch_norm", "joint"),
    [("auto", True), ("joint", True), ("separate", False), ("labeled", False)],
)
def test_one_pass_by_default_with_batch_normalization(batch_norm, joint):
    assert _method(normalizing(), batch_norm=batch_norm).joint is joint


def test_two_passes_by_default_without_batch_normalization():
    assert not _method().joint
    assert _method(batch_norm="joint").joint


def test_what_the_unlabeled_pass_must_not_move():
    """Normalization inside of other layers, too."""
    block = keras.Sequential([keras.layers.Dense(4), normalizing()])
    inputs = keras.Input((4,))
    classifier = keras.Model(inputs, block(inputs))
    found = _method(classifier, batch_norm="labeled").unmoved
    layer = block.layers[1].layers[0]

    assert [id(v) for v in found] == [
        id(layer.moving_mean),
        id(layer.moving_variance),
    ]
    for other in ("auto", "joint", "separate"):
        assert _method(normalizing(), batch_norm=other).unmoved == []


def test_the_compiled_loss_is_that_of_pseudo_labels():
    loss = keras.losses.MeanSquaredError()
    (term,) = _method(loss=loss).terms

    assert isinstance(term, PseudoLabelLoss)
    assert term.loss is loss


def test_an_unlabeled_loss_by_name_function_or_term():
    def ones_own(y, scores):
        return tf.reduce_mean(y - scores, axis=-1)

    by_name = _method(unlabeled_loss="mae").terms[0]
    assert by_name.loss.function is keras.losses.mean_absolute_error
    assert _method(unlabeled_loss=ones_own).terms[0].loss.function is ones_own
    entropy = tpl.ConditionalEntropy()
    assert _method(unlabeled_loss=entropy).terms == [entropy]


def test_terms_follow_in_their_order():
    terms = [tpl.MinimumEntropy(), tpl.ClassPrior()]
    method = _method(terms=terms, scale=0.5)

    assert method.terms[1:] == terms
    assert method.penalties == []
    assert method.scale == 0.5
    with pytest.warns(DeprecationWarning, match="`penalties` will go"):
        method = _method(penalties=terms)
    assert method.penalties == terms
    assert len(method.terms) == 1


def test_parts_that_hear_of_updates():
    class Hearing(Selection):
        def after_update(self, context):
            """Heard."""

    selection = Hearing()
    assert _method(selection=selection, teacher="lagged").hooked == [selection]
    assert _method().hooked == []


def test_choices_are_those_of_the_model():
    model = model_of(teacher="lagged", selection="top_share")
    method = model.settled_method()

    assert method.teacher is model.teacher
    assert method.selection is model.selection
    assert method.target is model.target
    assert method.views is method.mixup is method.alignment is None


def test_an_activation_of_tensorflow_is_seen_eagerly_too():
    """A loss of one's own does not say that it takes probabilities."""

    def loss(labels, scores):
        return keras.losses.sparse_categorical_crossentropy(labels, scores)

    def trained(run_eagerly):
        selection = tpl.Threshold(0.5)
        model = model_of(linear(tf.nn.softmax), loss, selection=selection)
        model.compile("sgd", loss, run_eagerly=run_eagerly)
        return model.fit(streams((X, Y), (X_U,)), verbose=0).history

    traced = trained(False)
    assert 0 < traced["coverage"][0] < 1
    for name, value in trained(True).items():
        assert value == pytest.approx(traced[name], rel=1e-5)
