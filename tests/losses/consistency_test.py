import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    WEIGHT,
    WEIGHT_U,
    X_U,
    X,
    Y,
    mean,
    model_of,
    normalizing,
    passed,
    softmax,
    streams,
)


@keras.saving.register_keras_serializable("tf_pseudolabel_test")
def halved(x):
    return x / 2


def _p(model, x):
    return softmax(model.classifier(x).numpy())


@pytest.mark.parametrize("distance", ["mse", "kl"])
@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_the_distance_of_two_views(distance, batch_norm):
    model = model_of(
        teacher="training",
        views=tpl.Views(strong=halved),
        unlabeled_loss=tpl.Consistency(distance),
        batch_norm=batch_norm,
    )
    said, student = _p(model, X_U), _p(model, X_U / 2)

    found = mean(model.unlabeled_loss, passed(model))

    expected = {
        "mse": np.square(said - student).mean(),
        "kl": (said * np.log(said / student)).sum(1).mean(),
    }[distance]
    assert expected > 1e-3
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_labeled_rows_count_too():
    model = model_of(
        teacher=tpl.Averaged(),
        unlabeled_loss=tpl.Consistency(labeled=True),
    )
    said = _p(model, X), _p(model, X_U)
    kernel = model.classifier.weights[0]
    kernel.assign_add(np.eye(4, 3))
    now = _p(model, X), _p(model, X_U)

    found = mean(model.unlabeled_loss, passed(model))

    squares = [np.square(a - b).mean(1) for a, b in zip(said, now, strict=True)]
    expected = np.concatenate(squares).mean()
    assert float(found) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("reduction", "divisor"),
    [
        ("sum", 1.0),
        ("sum_over_batch_size", len(X) + len(X_U)),
        ("mean_with_sample_weight", WEIGHT.sum() + WEIGHT_U.sum()),
    ],
)
def test_rows_of_both_streams_are_weighed_as_the_loss_is(reduction, divisor):
    model = model_of(
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction=reduction
        ),
        teacher=tpl.Averaged(),
        unlabeled_loss=tpl.Consistency(labeled=True),
    )
    said = _p(model, X), _p(model, X_U)
    model.classifier.weights[0].assign_add(np.eye(4, 3))
    now = _p(model, X), _p(model, X_U)
    squares = [np.square(a - b).mean(1) for a, b in zip(said, now, strict=True)]
    total = WEIGHT @ squares[0] + WEIGHT_U @ squares[1]

    context = passed(
        model,
        (X, Y, WEIGHT),
        (X_U, np.zeros(len(X_U), int), WEIGHT_U),
    )

    found = mean(model.unlabeled_loss, context)
    assert float(found) == pytest.approx(total / divisor, rel=1e-4)


def test_no_gradient_flows_into_the_teacher():
    model = model_of(
        teacher="training",
        views=tpl.Views(strong=halved),
        unlabeled_loss=tpl.Consistency(),
    )
    kernel = model.classifier.weights[0]
    with tf.GradientTape() as tape:
        found = mean(model.unlabeled_loss, passed(model))
    gradient = tape.gradient(found, kernel.value)

    said = _p(model, X_U)
    with tf.GradientTape() as tape:
        student = tf.nn.softmax(model.classifier(X_U / 2))
        alone = tf.reduce_mean(tf.square(student - said))
    np.testing.assert_allclose(
        gradient, tape.gradient(alone, kernel.value), rtol=1e-4, atol=1e-7
    )


def test_a_mean_teacher_on_replicas(two_replicas):
    def made():
        return model_of(
            teacher=tpl.Averaged(0.9),
            average="teacher",
            unlabeled_loss=tpl.Consistency("kl", labeled=True),
        )

    one = made()
    with two_replicas.scope():
        two = made()
    logs = [
        model.fit(streams(batch=5, batch_u=7), epochs=2, verbose=0).history
        for model in (one, two)
    ]

    assert logs[0]["unlabeled_loss"][-1] > 0
    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], atol=1e-5)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_other_distances_are_refused():
    with pytest.raises(ValueError, match="`distance` is one of mse, kl"):
        tpl.Consistency("l1")


@pytest.mark.parametrize("batch_norm", ["auto", "joint", "labeled"])
@pytest.mark.parametrize("normalized", [False, True])
def test_dropout_alone_tells_two_passes_apart(batch_norm, normalized):
    """A Pi-model without views has two passes in training mode."""
    keras.utils.set_random_seed(1)
    norm = [keras.layers.BatchNormalization()] if normalized else []
    network = keras.Sequential(
        [
            keras.Input((4,)),
            *norm,
            keras.layers.Dropout(0.5, seed=1),
            keras.layers.Dense(3),
        ]
    )
    model = model_of(
        network,
        teacher="training",
        unlabeled_loss=tpl.Consistency(),
        batch_norm=batch_norm,
    )
    context = passed(model)

    apart = np.square(
        softmax(context.scores_u.numpy()) - context.beliefs.raw.numpy()
    )
    assert apart.max() > 1e-3
    assert float(mean(model.unlabeled_loss, context)) == pytest.approx(
        apart.mean(), rel=1e-4
    )


def test_two_passes_are_normalized_like_one():
    """The same view twice, without dropout: nothing is apart."""
    model = model_of(
        normalizing(),
        teacher="training",
        unlabeled_loss=tpl.Consistency(),
        batch_norm="joint",
    )
    context = passed(model)

    assert float(mean(model.unlabeled_loss, context)) < 1e-12
    together = np.concatenate([X, X_U, X_U])
    expected = normalizing()(together, training=True)[8:20]
    np.testing.assert_allclose(context.scores_u, expected, atol=1e-5)


@pytest.mark.parametrize("student_view", ["weak", "same"])
def test_the_teacher_sees_labeled_rows_in_a_view_of_its_own(student_view):
    """As CuriousAI's code has it; where there is one view, the same one."""
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype("float32")
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    views = tpl.views.images(8, shift=0.4, student_view=student_view, seed=1)
    model = model_of(
        network,
        views=views,
        unlabeled_loss=tpl.Consistency(labeled=True),
    )
    # Unlabeled rows of weight 0: labeled ones alone are apart, or not.
    nothing = (x, -np.ones(8, np.int64), np.zeros(8, np.float32))
    context = passed(model, (x, Y), nothing)

    places = context.given.places
    drawn = [views.labeled(x, places, again=again) for again in (False, True)]
    p, said = (softmax(network(view).numpy()) for view in drawn)
    # The mean is over the rows of both batches, those of weight 0, too.
    expected = np.square(p - said).mean() / 2
    expected = expected if student_view == "weak" else 0.0

    assert float(mean(model.unlabeled_loss, context)) == pytest.approx(
        expected, rel=1e-4, abs=1e-12
    )
    assert student_view == "same" or expected > 1e-3
