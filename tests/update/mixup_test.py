import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    ONE_HOT,
    WEIGHT,
    X_U,
    Y_U,
    X,
    Y,
    context_of,
    eager_updates,
    linear,
    model_of,
    passed,
    softmax,
    streams,
)
from tf_pseudolabel.update.batch import Batch, count_rows
from tf_pseudolabel.update.mixup import Mixup
from tf_pseudolabel.views import Viewed

ROWS, ROWS_U = 5, 8
ALL = ROWS + ROWS_U


def _mixup(strength=1.0, seed=0):
    keras.utils.set_random_seed(seed)
    return Mixup(strength)


def _batch(x, y=None, weight=None):
    count = count_rows(x)
    y = tf.zeros([count]) if y is None else y
    return Batch(x, y, weight, x, None, count)


def _mix(*inputs, mixup=None):
    """Mixes inputs, and gives the mixed ones back."""
    batches = [x if x is None else _batch(x) for x in inputs]
    mixed = (mixup or _mixup()).mix(*batches)
    return [batch if batch is None else batch.x for batch in mixed]


def _rows(first, count):
    """Every row is told by its number, in one-hot."""
    return tf.one_hot(tf.range(first, first + count), ALL)


def _shares_and_order(*batches):
    """Reads `share` and `order` out of rows of the identity, mixed."""
    mixed = np.concatenate([np.asarray(batch) for batch in batches])
    share = next((row[i] for i, row in enumerate(mixed) if row[i] < 1), None)
    order = []
    for number, row in enumerate(mixed):
        others = np.flatnonzero(row * (np.arange(ALL) != number))
        order.append(int(others[0]) if len(others) else number)
    return float(share), np.array(order)


def test_rows_are_mixed_with_rows_of_either_batch():
    mixed, mixed_u = _mix(_rows(0, ROWS), _rows(ROWS, ROWS_U))
    share, order = _shares_and_order(mixed, mixed_u)

    assert mixed.shape == (ROWS, ALL)
    assert mixed_u.shape == (ROWS_U, ALL)
    assert 0 < share < 1
    # Every row is once the other one.
    assert sorted(order) == list(range(ALL))
    assert (order[:ROWS] >= ROWS).any()
    identity = np.eye(ALL)
    np.testing.assert_allclose(
        np.concatenate([mixed, mixed_u]),
        share * identity + (1 - share) * identity[order],
        atol=1e-6,
    )


def test_mixed_rows_lie_between_those_they_are_made_of():
    rng = np.random.default_rng(0)
    x, x_u = (rng.normal(size=(n, 3)).astype("float32") for n in (5, 8))
    both = np.concatenate([x, x_u])
    mixed = np.concatenate(_mix(tf.constant(x), tf.constant(x_u)))

    assert (mixed <= both.max(axis=0)).all()
    assert (mixed >= both.min(axis=0)).all()
    # Every row is the other one once: the sum stays.
    np.testing.assert_allclose(mixed.sum(axis=0), both.sum(axis=0), rtol=1e-4)
    assert np.abs(mixed - both).max() > 0.01


def test_labels_and_weights_are_mixed_as_their_inputs():
    labels = tf.reshape(tf.range(2.0 * ALL), [ALL, 2])
    weights = tf.range(float(ALL))
    batches = [
        _batch(
            _rows(first, count), labels[first:][:count], weights[first:][:count]
        )
        for first, count in ((0, ROWS), (ROWS, ROWS_U))
    ]
    first, second = _mixup().mix(*batches)
    share, order = _shares_and_order(first.x, second.x)

    for parts, originals in (
        ((first.y, second.y), labels),
        ((first.weight, second.weight), weights),
    ):
        originals = originals.numpy()
        np.testing.assert_allclose(
            np.concatenate(parts),
            share * originals + (1 - share) * originals[order],
            rtol=1e-5,
        )


def test_nested_inputs_are_mixed_alike():
    x = {"a": _rows(0, ROWS), "b": 2 * _rows(0, ROWS)}
    x_u = {"a": _rows(ROWS, ROWS_U), "b": 2 * _rows(ROWS, ROWS_U)}
    mixed, mixed_u = _mix(x, x_u)

    for batch in (mixed, mixed_u):
        assert batch.keys() == {"a", "b"}
        np.testing.assert_allclose(batch["b"], 2 * batch["a"])


def test_images_keep_their_shape():
    images = tf.reshape(tf.range(48.0), [4, 2, 2, 3])
    (mixed,) = _mix(images)

    assert mixed.shape == images.shape


def test_integers_become_floats():
    (mixed,) = _mix(tf.constant([[0], [255]], tf.uint8))

    assert mixed.dtype == tf.float32
    assert float(tf.reduce_sum(mixed)) == pytest.approx(255)


def test_an_absent_batch_stays_absent():
    mixed, absent = _mix(_rows(0, ALL), None)
    share, order = _shares_and_order(mixed)
    assert absent is None
    assert 0 < share < 1
    assert sorted(order) == list(range(ALL))

    absent, mixed = _mix(None, _rows(0, ALL))
    assert absent is None
    assert mixed.shape == (ALL, ALL)

    assert _mix(None, None) == [None, None]


def _draws(mixup, count):
    return [
        _shares_and_order(
            *_mix(_rows(0, ROWS), _rows(ROWS, ROWS_U), mixup=mixup)
        )
        for _ in range(count)
    ]


def test_every_update_draws_again():
    draws = _draws(_mixup(), 4)

    assert len({share for share, _ in draws}) == 4
    assert len({tuple(order) for _, order in draws}) == 4


def test_draws_follow_the_global_seed():
    for (share, order), (again, order_again) in zip(
        _draws(_mixup(seed=3), 3), _draws(_mixup(seed=3), 3), strict=True
    ):
        assert share == again
        np.testing.assert_array_equal(order, order_again)
    assert _draws(_mixup(seed=4), 1)[0][0] != share


def test_the_seed_is_state_to_be_saved():
    mixup, other = _mixup(seed=3), _mixup(seed=4)
    _draws(mixup, 2)
    for variable, value in zip(other.variables, mixup.variables, strict=True):
        variable.assign(value)

    assert len(mixup.variables) == 1
    assert _draws(other, 1)[0][0] == _draws(mixup, 1)[0][0]


@pytest.mark.parametrize(
    ("strength", "deviation"),
    # Of Beta(a, a): the variance is 1 / (4 (2 a + 1)).
    [(1.0, 12**-0.5), (4.0, 1 / 6), (1e4, 1 / 283)],
)
def test_strength_draws_the_share_towards_one_half(strength, deviation):
    mixup = _mixup(strength)
    draw = tf.function(lambda: _mix(tf.eye(2), mixup=mixup)[0])
    # Mixed with itself or with the other: the share or 1.
    shares = np.array([float(draw()[0, 0]) for _ in range(400)])
    shares = shares[shares < 1]

    assert len(shares) > 100
    error = deviation / np.sqrt(len(shares))
    assert shares.mean() == pytest.approx(0.5, abs=4 * error)
    assert shares.std() == pytest.approx(deviation, rel=0.2)


def test_keras_is_told_that_xla_has_no_beta_distribution():
    """`jit_compile="auto"` asks every layer."""
    assert not _mixup().supports_jit


def test_the_strength_may_be_changed_while_it_trains():
    mixup = _mixup(0.01)
    draw = tf.function(lambda: _mix(tf.eye(2), mixup=mixup)[0])
    few = np.array([float(draw()[0, 0]) for _ in range(40)])
    mixup.strength = 1e4
    many = np.array([float(draw()[0, 0]) for _ in range(40)])

    assert ((few < 0.01) | (few > 0.99)).mean() > 0.8
    assert np.abs(many[many < 1] - 0.5).max() < 0.05


def test_weights_are_1_where_there_were_none():
    weighed = _batch(_rows(0, ROWS), weight=tf.zeros([ROWS]))
    first, second = _mixup().mix(weighed, _batch(_rows(ROWS, ROWS_U)))
    whole = np.concatenate([first.weight, second.weight])

    assert whole.sum() == pytest.approx(ROWS_U, rel=1e-5)
    assert 0 < whole.max() <= 1


# In an update.

SHARE = 0.3
ORDER = np.roll(np.arange(20), 5)


def _by_hand(labeled, unlabeled):
    both = np.concatenate([labeled, unlabeled])
    mixed = SHARE * both + (1 - SHARE) * both[ORDER]
    return mixed[:8], mixed[8:]


@pytest.fixture
def known_mix(monkeypatch):
    """The draws of every update."""
    draws = []

    def beta(shape, alpha, beta, **kwargs):
        draws.append((alpha, beta))
        return tf.constant(SHARE)

    monkeypatch.setattr(keras.random, "beta", beta)
    monkeypatch.setattr(
        keras.random, "shuffle", lambda rows, **kwargs: tf.gather(rows, ORDER)
    )
    return draws


def _model(**choices):
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return model_of(loss=loss, mixup=4.0, **choices)


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_update_by_hand(known_mix, batch_norm, weighted):
    """Pseudo-labels are made of rows not yet mixed."""
    model = _model(target="soft", batch_norm=batch_norm)
    kernel, bias = model.classifier.get_weights()
    labeled = (X, ONE_HOT[Y], WEIGHT) if weighted else (X, ONE_HOT[Y])
    context = passed(model, labeled, (X_U, Y_U))
    x, x_u = _by_hand(X, X_U)
    p_u = softmax(X_U @ kernel + bias)
    y, y_u = _by_hand(ONE_HOT[Y], p_u)
    w, w_u = _by_hand(WEIGHT if weighted else np.ones(8), np.ones(12))

    assert [tuple(map(float, draw)) for draw in known_mix] == [(4.0, 4.0)]
    for found, expected in (
        (context.scores, x @ kernel + bias),
        (context.scores_u, x_u @ kernel + bias),
        (context.labeled.y, y),
        (context.beliefs.target, y_u),
        (context.labeled.weight, w),
        (context.unlabeled.weight, w_u),
        # What is believed is of rows not yet mixed, for the statistics.
        (context.beliefs.probabilities, p_u),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(context.unlabeled.y, Y_U)


def test_the_student_sees_strong_rows_mixed(known_mix):
    model = _model()
    kernel, bias = model.classifier.get_weights()
    context = passed(model, (X, ONE_HOT[Y]), (Viewed(X_U, X_U + 1),))
    _, strong = _by_hand(X, X_U + 1)

    np.testing.assert_allclose(
        context.scores_u, strong @ kernel + bias, atol=1e-5
    )
    np.testing.assert_allclose(
        context.beliefs.scores, X_U @ kernel + bias, atol=1e-5
    )


def test_an_update_without_unlabeled_rows_mixes_the_others():
    context = context_of(_model(), (X, ONE_HOT[Y]), None)
    context.pass_labeled()

    assert context.unlabeled is None
    np.testing.assert_allclose(
        tf.reduce_sum(context.labeled.x, axis=0), X.sum(axis=0), rtol=1e-4
    )
    assert np.abs(context.labeled.x - X).max() > 0.01


def test_nearest_rows_stay_near_themselves_each_by_a_share_of_its_own():
    keras.utils.set_random_seed(1)
    mixup = Mixup(1.0, "nearest")
    mixed = np.concatenate(
        _mix(_rows(0, ROWS), _rows(ROWS, ROWS_U), mixup=mixup)
    )
    own = np.diag(mixed)

    assert (own >= 0.5).all() and (own <= 1).all()
    assert len(np.unique(own[own < 1].round(5))) > 5
    np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-5)


def test_apart_each_batch_is_mixed_with_itself():
    keras.utils.set_random_seed(1)
    first, second = _mix(
        _rows(0, ROWS), _rows(ROWS, ROWS_U), mixup=Mixup(1.0, "apart")
    )

    assert not np.asarray(first)[:, ROWS:].any()
    assert not np.asarray(second)[:, :ROWS].any()
    shares = [_shares_and_order(x)[0] for x in (first,)]
    assert 0 < shares[0] < 1
    assert np.asarray(second).max(axis=1).min() < 1


def test_of_images_and_labels_every_row_has_one_share():
    keras.utils.set_random_seed(1)
    x = tf.reshape(_rows(0, ALL), [ALL, 1, ALL, 1])
    (mixed,) = Mixup(1.0, "nearest").mix(_batch(x, _rows(0, ALL)))

    np.testing.assert_allclose(
        np.reshape(mixed.x, (ALL, ALL)), mixed.y, rtol=1e-6
    )


def test_the_teacher_in_training_mode_labels_rows_before_they_are_mixed():
    model = model_of(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        teacher="training",
        target="soft",
        mixup=Mixup(0.75, "nearest"),
    )
    said = softmax(model.classifier(X_U).numpy())

    context = passed(model, (X, ONE_HOT[Y]))

    np.testing.assert_allclose(context.beliefs.raw, said, rtol=1e-5)
    np.testing.assert_array_equal(context.unmixed.student, X_U)
    np.testing.assert_allclose(context.unmixed.y, said, rtol=1e-5)
    assert np.abs(context.beliefs.target - said).max() > 1e-3


def _stuck_on_class_0():
    network = linear()
    network.set_weights([np.zeros((4, 3)), np.array([9.0, 0.0, 0.0])])
    return network


@pytest.mark.parametrize("form", ["joint", "nearest", "apart"])
def test_figures_of_labels_are_of_those_that_were_given(form):
    """Mixed, they are partly pseudo-labels: a collapse would look well."""
    model = model_of(
        _stuck_on_class_0(),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        rate=0.0,
        target="soft",
        mixup=Mixup(1.0, form),
    )
    model.compile(model.optimizer, model.loss, metrics=["accuracy"])

    logs = eager_updates(model, streams((X, ONE_HOT[Y]), batch=2, batch_u=3))

    shares = np.bincount(Y) / len(Y)
    assert logs["accuracy"] == pytest.approx(shares[0])
    np.testing.assert_allclose(
        model.statistics.summary()["labeled_shares"], shares, rtol=1e-6
    )


def test_alignment_counts_labels_as_they_were_given():
    model = model_of(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        target="soft",
        alignment=tpl.DistributionAlignment(decay=0.0),
        mixup=Mixup(1.0, "joint"),
    )
    eager_updates(model, streams((X, ONE_HOT[Y])))

    np.testing.assert_allclose(
        model.alignment.labels, np.bincount(Y) / len(Y), rtol=1e-6
    )


def test_a_form_is_saved_and_others_are_refused():
    mixup = Mixup(2.0, "apart")
    made = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(mixup)
    )
    assert (made.strength, made.form) == (2.0, "apart")
    with pytest.raises(ValueError, match="`form` is one of joint, nearest, ap"):
        Mixup(1.0, "near")


@pytest.mark.parametrize("form", ["joint", "nearest", "apart"])
def test_a_model_that_is_loaded_mixes_as_it_would_have(form, tmp_path):
    def made():
        keras.utils.set_random_seed(3)
        return model_of(
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            target="soft",
            mixup=Mixup(1.0, form),
        )

    def fit(model):
        model.fit(streams((X, ONE_HOT[Y]), batch=4), epochs=1, verbose=0)

    whole, saved = made(), made()
    for model in (whole, whole, saved):
        fit(model)
    saved.save(tmp_path / "m.keras")
    keras.utils.set_random_seed(7)
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    fit(loaded)

    for a, b in zip(loaded.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("weight", [None, "row", "position"])
@pytest.mark.parametrize("weight_u", [None, "row", "position"])
def test_labels_of_positions_are_mixed_position_by_position(weight, weight_u):
    """As with a weight for every position, whichever weights were left out."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 5, 4)).astype("float32")
    labels = ONE_HOT[rng.integers(3, size=(6, 5))]
    hidden = np.full((6, 5), -1)
    by_row, by_position = rng.uniform(1, 2, 6), rng.uniform(1, 2, (6, 5))
    given = {None: (), "row": (by_row,), "position": (by_position,)}
    whole = {
        None: np.ones((6, 5)),
        "row": np.repeat(by_row[:, None], 5, axis=1),
        "position": by_position,
    }

    def updated(labeled, unlabeled):
        keras.utils.set_random_seed(1)
        model = model_of(
            keras.Sequential([keras.Input((5, 4)), keras.layers.Dense(3)]),
            keras.losses.CategoricalCrossentropy(from_logits=True),
            target="soft",
            mixup=1.0,
        )
        logs = eager_updates(model, streams(labeled, unlabeled))
        return logs["labeled_loss"], logs["unlabeled_loss"]

    found = updated((x, labels, *given[weight]), (x, hidden, *given[weight_u]))

    assert found == pytest.approx(
        updated((x, labels, whole[weight]), (x, hidden, whole[weight_u])),
        rel=1e-6,
    )


def test_networks_that_mask_are_refused():
    network = keras.Sequential(
        [
            keras.Input((5, 4)),
            keras.layers.Masking(),
            keras.layers.Dense(3),
        ]
    )
    model = model_of(
        network,
        keras.losses.CategoricalCrossentropy(from_logits=True),
        target="soft",
        mixup=1.0,
    )
    x = np.ones((4, 5, 4), "float32")
    with pytest.raises(ValueError, match="padding of another row; got a netw"):
        model.fit(streams((x, np.ones((4, 5, 3)) / 3), (x,)), verbose=0)


@pytest.mark.parametrize("form", ["joint", "nearest"])
def test_rows_are_mixed_where_floats_are_double(form):
    keras.config.set_floatx("float64")
    try:
        model = model_of(
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            target="soft",
            mixup=tpl.Mixup(1.0, form),
        )
        logs = model.fit(streams((X, ONE_HOT[Y]), (X_U,)), verbose=0).history
    finally:
        keras.config.set_floatx("float32")
    assert np.isfinite(logs["loss"]).all()
