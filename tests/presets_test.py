import functools
import pathlib
import re

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


def _mix(labeled, unlabeled, share=SHARE):
    both = np.concatenate([labeled, unlabeled])
    mixed = share * both + (1 - share) * both[ORDER]
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
    p, p_strong, p_weak = _three()
    sure = p_weak.max(axis=-1) >= 0.95
    assert 0 < sure.sum() < ROWS_U
    return _labeled(p) + (sure * _cross_entropy(p_strong, _hard(p_weak))).mean()


def _three():
    """Labeled, strong and weak rows, in one pass."""
    every = np.concatenate([X, _strong(X_U), X_U])
    p = _softmax(_logits(every, _statistics(every)))
    return np.split(p, [ROWS, ROWS + ROWS_U])


def _labeled(p):
    return _cross_entropy(p, ONE_HOT[Y]).mean()


def _sharpened(p, temperature):
    powers = p ** (1 / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


def _flexmatch():
    """At first every row counts."""
    p, p_strong, p_weak = _three()
    return _labeled(p) + _cross_entropy(p_strong, _hard(p_weak)).mean()


def _freematch():
    """Equations 5 to 8 and 11, after one batch."""
    p, p_strong, p_weak = _three()
    confidence = 0.999 / 3 + 0.001 * p_weak.max(-1).mean()
    average = 0.999 / 3 + 0.001 * p_weak.mean(0)
    least = (confidence * average / average.max())[p_weak.argmax(-1)]
    counts = p_weak.max(-1) >= least
    losses = counts * _cross_entropy(p_strong, _hard(p_weak))
    shares = 0.999 / 3 + 0.001 * _hard(p_weak).mean(0)
    kept = p_strong[counts]
    believed, student = average / shares, kept.mean(0) / _hard(kept).mean(0)
    believed, student = believed / believed.sum(), student / student.sum()
    fairness = (believed * np.log(student + 1e-12)).sum()
    return _labeled(p) + losses.mean() + 0.01 * fairness


def _softmatch():
    """Equations 5 to 9, after one batch; labels are not aligned."""
    p, p_strong, p_weak = _three()
    aligned = p_weak / (0.999 / 3 + 0.001 * p_weak.mean(0))
    confidence = (aligned / aligned.sum(-1, keepdims=True)).max(-1)
    mean = 0.999 / 3 + 0.001 * confidence.mean()
    variance = 0.999 + 0.001 * confidence.var(ddof=1)
    below = np.minimum(confidence - mean, 0)
    weights = np.exp(-(below**2) / (2 * variance / 4))
    losses = weights * _cross_entropy(p_strong, _hard(p_weak))
    return _labeled(p) + losses.mean()


def _adamatch():
    """Aligned by what is said of labeled rows, which the threshold follows."""
    p, p_strong, p_weak = _three()
    labeled = 0.999 / 3 + 0.001 * p.mean(0)
    beliefs = (127 / 3 + p_weak.mean(0)) / 128
    aligned = p_weak * (1e-6 + labeled) / (1e-6 + beliefs)
    aligned /= aligned.sum(-1, keepdims=True)
    counts = aligned.max(-1) >= 0.9 * p.max(-1).mean()
    assert 0 < counts.sum() < ROWS_U
    losses = counts * _cross_entropy(p_strong, _hard(aligned))
    return _labeled(p) + losses.mean()


def _uda():
    """The threshold looks at what is not sharpened."""
    p, p_strong, p_weak = _three()
    counts = p_weak.max(-1) >= 0.8
    losses = counts * _cross_entropy(p_strong, _sharpened(p_weak, 0.4))
    return _labeled(p) + losses.mean()


def _teacher(x):
    """The average, which is the network at first, in training mode."""
    return _softmax(_logits(x, _statistics(x)))


def _mean_teacher():
    both = np.concatenate([X, _strong(X_U)])
    student = _softmax(_logits(both, _statistics(both)))
    said = np.concatenate([_teacher(X), _teacher(X_U)])
    return _labeled(student[:ROWS]) + 50 * np.square(student - said).mean()


def _pi_model():
    p, p_student, p_teacher = _three()
    return _labeled(p) + 10 * np.square(p_student - p_teacher).mean()


def _ict():
    """Each batch is mixed with itself."""
    orders = [np.roll(np.arange(n), 30) for n in (ROWS, ROWS_U)]

    def mixed(values, order):
        return SHARE * values + (1 - SHARE) * values[order]

    both = np.concatenate([mixed(X, orders[0]), mixed(X_U, orders[1])])
    p = _softmax(_logits(both, _statistics(both)))
    labels = mixed(ONE_HOT[Y], orders[0])
    errors = np.square(p[ROWS:] - mixed(_teacher(X_U), orders[1]))
    return _cross_entropy(p[:ROWS], labels).mean() + 100 * errors.mean()


def _mixed_guesses():
    """Mixed rows of both kinds, their labels and guesses."""
    guesses = _sharpened(_teacher(X_U), 0.5)
    return _mix(X, X_U, 0.7), _mix(ONE_HOT[Y], guesses, 0.7), guesses


def _mixmatch():
    """Rows are mixed by the larger share, and passed batch by batch."""
    (x, x_u), (y, y_u), _ = _mixed_guesses()
    errors = np.square(_teacher(x_u) - y_u)
    return _cross_entropy(_teacher(x), y).mean() + 75 * errors.mean()


def _remixmatch():
    """At first, alignment changes nothing."""
    (x, x_u), (y, y_u), guesses = _mixed_guesses()
    unmixed = _cross_entropy(_teacher(X_U), guesses).mean()
    return (
        _cross_entropy(_teacher(x), y).mean()
        + 1.5 * _cross_entropy(_teacher(x_u), y_u).mean()
        + 0.5 * unmixed
    )


def _noisy_student():
    """Soft labels of the network as it was, in inference mode."""
    both = np.concatenate([X, _strong(X_U)])
    p = _softmax(_logits(both, _statistics(both)))
    said = _softmax(_logits(X_U, _moved()))
    sure = said.max(axis=-1) >= 0.3
    losses = _cross_entropy(p[ROWS:], said)
    return _labeled(p[:ROWS]) + losses[sure].mean()


@keras.saving.register_keras_serializable("tf_pseudolabel_test")
def _strong(x):
    return 0.5 * x + 0.3


THREE = [np.concatenate([X, _strong(X_U), X_U])]
EXPECTED = {
    # preset: (its loss; the batches that moving statistics have seen)
    "lee2013": (_lee2013, [np.concatenate([X, X_U])]),
    "oliver2018": (_oliver2018, [np.concatenate([X, X_U])]),
    "usb_pl": (_usb_pl, [X]),
    "arazo2020": (_arazo2020, [np.concatenate(_mix(X, X_U))]),
    "fixmatch": (_fixmatch, THREE),
    "flexmatch": (_flexmatch, THREE),
    "freematch": (_freematch, THREE),
    "softmatch": (_softmatch, THREE),
    "adamatch": (_adamatch, THREE),
    "uda": (_uda, THREE),
    "mean_teacher": (_mean_teacher, [np.concatenate([X, _strong(X_U)])]),
    "pi_model": (_pi_model, THREE),
    # Its loss depends on random directions: the tests of the term.
    "vat": (None, [X]),
    "ict": (
        _ict,
        [
            np.concatenate(
                [
                    SHARE * x + (1 - SHARE) * np.roll(x, 30, axis=0)
                    for x in (X, X_U)
                ]
            )
        ],
    ),
    "mixmatch": (_mixmatch, [_mix(X, X_U, 0.7)[0]]),
    "remixmatch": (_remixmatch, [_mix(X, X_U, 0.7)[0]]),
    "noisy_student": (_noisy_student, [np.concatenate([X, _strong(X_U)])]),
}


# Both sides see the same, of which their tests have copies.
ON_ONE_VIEW = ("ict", "mixmatch", "remixmatch")


@functools.cache
def _updated(name):
    """A model after one update without a step, and what it logged."""
    preset = presets.PRESETS[name](epochs=100)
    if preset.views is not None and name not in ON_ONE_VIEW:
        views = tpl.Views(strong=_strong)
        preset = presets.PRESETS[name](epochs=100, views=views)
    if name == "flexmatch":
        preset.model["selection"] = tpl.Curriculum(rows=ROWS_U)
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
        tf.data.Dataset.from_tensor_slices(X_U)
        .enumerate()
        .batch(ROWS_U)
        .map(lambda index, x: tpl.views.Viewed(x, index=index)),
    )
    model.alpha.assign(preset.schedule(100_000))
    draws = {
        "beta": lambda shape, *args, **kwargs: tf.fill(shape, SHARE),
        "shuffle": lambda rows, **kwargs: tf.roll(rows, 30, axis=0),
    }
    with pytest.MonkeyPatch.context() as patch:
        for function, draw in draws.items():
            patch.setattr(keras.random, function, draw)
        return model, model.fit(streams, verbose=0).history


@pytest.mark.parametrize("name", [n for n in presets.PRESETS if n != "vat"])
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
        ("fixmatch", {0: 1, 99: 1}),
        ("adamatch", {0: 0, 25: 0.5, 50: 1, 99: 1}),
        ("mean_teacher", {0: 50 * np.exp(-5), 20: 50 * np.exp(-1.25), 40: 50}),
        ("pi_model", {0: 10 * np.exp(-5), 27: 10}),
        ("ict", {0: 100 * np.exp(-5), 25: 100}),
        ("mixmatch", {0: 0, 1: 48, 2: 75}),
        ("remixmatch", {0: 0, 1: 0.96, 2: 1.5}),
        ("noisy_student", {0: 0, 33: 0, 34: 1, 99: 1}),
    ],
)
def test_alpha_over_100_epochs(name, alphas):
    schedule = presets.PRESETS[name](epochs=100).schedule

    assert {epoch: schedule(epoch) for epoch in alphas} == {
        epoch: pytest.approx(alpha) for epoch, alpha in alphas.items()
    }


@pytest.mark.parametrize(
    ("epochs", "starts"),
    [(1, []), (3, [1, 2]), (4, [2]), (90, [30, 60]), (100, [34, 68])],
)
def test_rounds_of_noisy_student_are_none_of_them_short(epochs, starts):
    every = presets.noisy_student(epochs).restart_epochs

    assert list(range(every, epochs, every)) == starts


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
        "flexmatch": (64, 448),
        "freematch": (64, 448),
        "softmatch": (64, 448),
        "adamatch": (64, 192),
        "uda": (64, 448),
        "mixmatch": (64, 64),
        "remixmatch": (64, 64),
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
    "flexmatch": ("Zhang et al.", "NeurIPS 2021"),
    "freematch": ("Wang et al.", "ICLR 2023"),
    "softmatch": ("Chen et al.", "ICLR 2023"),
    "adamatch": ("Berthelot et al.", "ICLR 2022"),
    "uda": ("Xie et al.", "NeurIPS 2020"),
    "mean_teacher": ("Tarvainen & Valpola", "NeurIPS 2017"),
    "pi_model": ("Laine & Aila", "ICLR 2017"),
    "vat": ("Miyato et al.", "TPAMI 2018"),
    "ict": ("Verma et al.", "IJCAI 2019"),
    "mixmatch": ("Berthelot et al.", "NeurIPS 2019"),
    "remixmatch": ("Berthelot et al.", "ICLR 2020"),
    "noisy_student": ("Xie et al.", "CVPR 2020"),
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

    assert loaded.batch_norm == model.batch_norm
    for choice in ("teacher", "target", "selection", "mixing", "alignment"):
        ours, theirs = getattr(model, choice), getattr(loaded, choice)
        assert type(theirs) is type(ours)
        if ours is not None:
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


def test_the_guide_to_methods():
    """Its Python, with updates; its names are presets and parts."""
    guide = pathlib.Path(__file__).resolve().parents[1] / "docs/guides"
    text = (guide / "which-method.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    scope = {}
    exec(code, scope)
    model = scope["model"]
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x = np.zeros((8, 28, 28, 1), np.uint8)
    rows = tf.data.Dataset.from_tensor_slices((x, np.arange(8))).batch(4)
    logs = model.fit(
        tpl.merge_streams(rows, rows.map(lambda x, y: x)),
        callbacks=scope["callbacks"],
        verbose=0,
    ).history
    assert logs["alpha"] == [1.0] and np.isfinite(logs["loss"]).all()
    named = re.findall(r"^\|[^|]*\|([^|]*)\|", text, re.MULTILINE)
    for name in re.findall(r"`([a-z_0-9]+)`", " ".join(named)):
        assert name in presets.PRESETS, name
