import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel import presets

CLASSES, ROWS, ROWS_U = 3, 16, 84
RNG = np.random.default_rng(0)
X = RNG.normal(0.5, 2.0, size=(ROWS, 4)).astype("float32")
Y = RNG.integers(CLASSES, size=ROWS)
X_U = RNG.normal(-1.0, 1.5, size=(ROWS_U, 4)).astype("float32")
ONE_HOT = np.eye(CLASSES, dtype="float32")
KERNEL = 2 * RNG.normal(size=(4, CLASSES))
EPSILON, MOMENTUM = 1e-3, 0.99  # Keras' defaults.
SHARE, ORDER = 0.3, np.roll(np.arange(ROWS + ROWS_U), 30)


# The network in NumPy: batch normalization, then a linear map.


def _statistics(batch):
    return batch.mean(axis=0), batch.var(axis=0)


def _moved(*batches):
    """Moving statistics, from 0 and 1, after a pass of each batch."""
    moving = 0.0, 1.0
    for batch in batches:
        moving = [
            MOMENTUM * old + (1 - MOMENTUM) * new
            for old, new in zip(moving, _statistics(batch), strict=True)
        ]
    return moving


def _logits(x, statistics):
    mean, variance = statistics
    return (x - mean) / np.sqrt(variance + EPSILON) @ KERNEL


def _softmax(logits):
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def _cross_entropy(p, targets):
    return -(targets * np.log(p)).sum(axis=-1)


def _hard(scores):
    return ONE_HOT[scores.argmax(axis=-1)]


# The loss of an update when alpha has its final value, as the papers have it.


def _lee2013():
    """Equation 15 with alpha 3; labels are made before the pass of both."""
    p, p_u = _jointly()
    labeled = _cross_entropy(p, ONE_HOT[Y])
    targets = _hard(_logits(X_U, _moved()))
    return labeled.mean() + 3 * _cross_entropy(p_u, targets).mean()


def _jointly():
    """The probabilities of one pass over both batches."""
    both = np.concatenate([X, X_U])
    p = _softmax(_logits(both, _statistics(both)))
    return p[:ROWS], p[ROWS:]


def _with_threshold(p, p_u):
    """Rows that are not sure stay in the mean; alpha is 1."""
    sure = p_u.max(axis=-1) >= 0.95
    assert 0 < sure.sum() < ROWS_U
    losses = sure * _cross_entropy(p_u, _hard(p_u))
    return _cross_entropy(p, ONE_HOT[Y]).mean() + losses.sum() / ROWS_U


def _oliver2018():
    """One pass over both batches."""
    return _with_threshold(*_jointly())


def _usb_pl():
    """A pass of each batch, whose own outputs are the labels."""
    return _with_threshold(
        _softmax(_logits(X, _statistics(X))),
        _softmax(_logits(X_U, _statistics(X_U))),
    )


def _mix(labeled, unlabeled):
    both = np.concatenate([labeled, unlabeled])
    mixed = SHARE * both + (1 - SHARE) * both[ORDER]
    return mixed[:ROWS], mixed[ROWS:]


def _arazo2020():
    """Equations 2 to 6, of mixed rows; times rows / labeled rows."""
    said = _softmax(_logits(X_U, _moved()))  # Before the epoch.
    mixed, targets = _mix(X, X_U), _mix(ONE_HOT[Y], said)
    both = np.concatenate(mixed)
    p = _softmax(_logits(both, _statistics(both)))
    loss = _cross_entropy(p, np.concatenate(targets)).mean()
    prior = -(np.log(p.mean(axis=0)) / CLASSES).sum()
    entropy = -(p * np.log(p)).sum(axis=-1).mean()
    return (100 / 16) * (loss + 0.8 * prior + 0.4 * entropy)


def _fixmatch():
    """One pass of all three, in training mode; labels of the weak view."""
    both = np.concatenate([X, _strong(X_U), X_U])
    p = _softmax(_logits(both, _statistics(both)))
    p, p_strong, p_weak = np.split(p, [ROWS, ROWS + ROWS_U])
    sure = p_weak.max(axis=-1) >= 0.95
    assert 0 < sure.sum() < ROWS_U
    losses = sure * _cross_entropy(p_strong, _hard(p_weak))
    return _cross_entropy(p, ONE_HOT[Y]).mean() + losses.sum() / ROWS_U


@keras.saving.register_keras_serializable("tf_pseudolabel_test")
def _strong(x):
    return 0.5 * x + 0.3


EXPECTED = {
    # preset: (its loss; the batches that moving statistics have seen)
    "lee2013": (_lee2013, [np.concatenate([X, X_U])]),
    "oliver2018": (_oliver2018, [np.concatenate([X, X_U])]),
    "usb_pl": (_usb_pl, [X]),
    "arazo2020": (_arazo2020, [np.concatenate(_mix(X, X_U))]),
    "fixmatch": (_fixmatch, [np.concatenate([X, _strong(X_U), X_U])]),
}


@functools.cache
def _updated(name):
    """A model after one update without a step, and what it logged."""
    preset = presets.PRESETS[name](epochs=100)
    if preset.views:
        preset = presets.PRESETS[name](views=tpl.Views(strong=_strong))
    keras.utils.set_random_seed(1)
    classifier = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(CLASSES, use_bias=False),
        ]
    )
    classifier.layers[1].set_weights([KERNEL])
    model = tpl.PseudoLabelModel(classifier, **preset.model)
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    streams = tpl.merge_streams(
        tf.data.Dataset.from_tensor_slices((X, ONE_HOT[Y])).batch(ROWS),
        tf.data.Dataset.from_tensor_slices(X_U).batch(ROWS_U),
    )
    model.alpha.assign(preset.schedule(100_000))
    draws = {
        "beta": lambda *args, **kwargs: tf.constant(SHARE),
        "shuffle": lambda rows, **kwargs: tf.gather(rows, ORDER),
    }
    with pytest.MonkeyPatch.context() as patch:
        for function, draw in draws.items():
            patch.setattr(keras.random, function, draw)
        return model, model.fit(streams, verbose=0).history


@pytest.mark.parametrize("name", presets.PRESETS)
def test_the_loss_is_that_of_the_paper(name):
    _, logs = _updated(name)
    loss, _ = EXPECTED[name]

    assert logs["loss"] == [pytest.approx(loss(), rel=1e-5)]


@pytest.mark.parametrize("name", presets.PRESETS)
def test_moving_statistics_follow_what_the_paper_has_them_follow(name):
    model, _ = _updated(name)
    layer = model.classifier.layers[0]
    found = layer.moving_mean, layer.moving_variance

    for value, expected in zip(found, _moved(*EXPECTED[name][1]), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-7)


def test_lee2013_with_the_loss_of_lee():
    """Equations 5 and 15: sigmoids, summed over the classes."""
    preset = presets.lee2013(epochs=600)
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(CLASSES, use_bias=False)]
    )
    classifier.set_weights([KERNEL / 4])
    model = tpl.PseudoLabelModel(classifier, **preset.model)
    model.compile(
        keras.optimizers.SGD(0.0),
        tpl.SummedBinaryCrossentropy(from_logits=True),
    )
    model.alpha.assign(preset.schedule(600))
    logs = model.fit(
        tpl.merge_streams(
            tf.data.Dataset.from_tensor_slices((X, Y)).batch(ROWS),
            tf.data.Dataset.from_tensor_slices(X_U).batch(ROWS_U),
        ),
        verbose=0,
    ).history

    def loss(x, targets):
        f = 1 / (1 + np.exp(-x @ KERNEL / 4))
        losses = targets * np.log(f) + (1 - targets) * np.log(1 - f)
        return -losses.sum(axis=-1).mean()

    expected = loss(X, ONE_HOT[Y]) + 3 * loss(X_U, _hard(X_U @ KERNEL))
    assert logs["loss"] == [pytest.approx(expected, rel=1e-5)]


# Schedules.


@pytest.mark.parametrize(
    ("name", "alphas"),
    [
        ("lee2013", {0: 0, 16: 0, 50: 1.2, 75: 2.1, 100: 3, 200: 3}),
        (
            "oliver2018",
            {0: np.exp(-5), 20: np.exp(-1.25), 40: 1, 99: 1},
        ),
        ("usb_pl", {0: 0, 10: 0.25, 20: 0.5, 40: 1, 99: 1}),
        ("arazo2020", {0: 0, 9: 0, 10: 84 / 16, 99: 84 / 16}),
    ],
)
def test_alpha_over_100_epochs(name, alphas):
    schedule = presets.PRESETS[name](epochs=100).schedule

    assert {epoch: schedule(epoch) for epoch in alphas} == {
        epoch: pytest.approx(alpha) for epoch, alpha in alphas.items()
    }


@pytest.mark.parametrize("name", ["oliver2018", "usb_pl"])
def test_ramps_follow_the_number_of_epochs(name):
    schedule = presets.PRESETS[name](epochs=1000).schedule

    assert schedule(399) < schedule(400) == 1


def test_lee2013_has_its_published_times_in_600_epochs():
    schedule = presets.lee2013(epochs=600).schedule

    assert {epoch: schedule(epoch) for epoch in (100, 350, 600)} == {
        100: 0,
        350: 1.5,
        600: 3,
    }


@pytest.mark.parametrize("epochs", [2, 10, 99])
def test_lee2013_uses_pseudo_labels_in_short_trainings(epochs):
    schedule = presets.lee2013(epochs).schedule

    assert schedule(epochs - 1) > 0
    assert schedule(epochs) == 3


def test_arazo2020_moves_as_far_as_the_authors_do():
    """Their rate before alpha rises; then the loss is a multiple of theirs."""
    first, then = presets.arazo2020(epochs=400).learning_rate

    assert (first, then) == (1.0, pytest.approx(0.16))
    assert presets.usb_pl(epochs=400).learning_rate == (1.0, 1.0)


def test_arazo2020_for_other_batches():
    preset = presets.arazo2020(epochs=400, labeled_batch=50, unlabeled_batch=50)

    assert preset.batches == (50, 50)
    assert preset.schedule(10) == 1
    assert preset.learning_rate == (1.0, 0.5)
    prior, entropy = preset.model["terms"]
    assert prior.weight == pytest.approx(1.6)
    assert entropy.weight == pytest.approx(0.8)


def test_some_say_how_many_rows():
    batches = {name: of(1).batches for name, of in presets.PRESETS.items()}

    assert {name: rows for name, rows in batches.items() if rows} == {
        "arazo2020": (16, 84),
        "fixmatch": (64, 448),
    }


def test_presets_are_independent_of_one_another():
    """What one model changes, another does not see."""
    first, second = (presets.arazo2020(1).model for _ in range(2))

    assert first["terms"][0] is not second["terms"][0]


# What they are made of.

SOURCES = {
    "lee2013": ("Lee", "ICML 2013"),
    "oliver2018": ("Oliver et al.", "NeurIPS 2018"),
    "usb_pl": ("Wang et al.", "NeurIPS 2022"),
    "arazo2020": ("Arazo et al.", "IJCNN 2020"),
    "fixmatch": ("Sohn et al.", "NeurIPS 2020"),
}


@pytest.mark.parametrize("name", presets.PRESETS)
def test_the_source_is_named(name):
    text = " ".join(presets.PRESETS[name].__doc__.split())
    author, venue = SOURCES[name]

    assert f"Source: {author}" in text
    assert venue in text.partition("Source: ")[2]


def test_names():
    assert {name: of.__name__ for name, of in presets.PRESETS.items()} == {
        name: name for name in EXPECTED
    }
    assert tpl.presets is presets


@pytest.mark.parametrize("name", presets.PRESETS)
def test_models_of_presets_are_saved_and_loaded(name, tmp_path):
    model, _ = _updated(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    for choice in ("batch_norm", "mixup"):
        assert getattr(loaded, choice) == getattr(model, choice)
    for choice in ("teacher", "target", "selection"):
        ours, theirs = getattr(model, choice), getattr(loaded, choice)
        assert type(theirs) is type(ours)
        assert theirs.get_config() == ours.get_config()
    assert [(type(term), term.weight) for term in loaded.terms] == [
        (type(term), term.weight) for term in model.terms
    ]
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_schedules_of_presets_are_serialized(name):
    schedule = presets.PRESETS[name](epochs=50).schedule
    config = keras.saving.serialize_keras_object(schedule)
    restored = keras.saving.deserialize_keras_object(config)

    assert [restored(t) for t in range(0, 700, 7)] == [
        schedule(t) for t in range(0, 700, 7)
    ]
