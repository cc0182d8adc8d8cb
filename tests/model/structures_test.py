"""Ways to run an update come to the same weights and the same figures.

One device, eagerly, is the measure. Against it: a graph, XLA, two replicas,
several updates at once; merged and alternating; each with batches of open
size, over inputs of rank 2, 3 and 4 and a recurrent layer, with masks, weights,
hidden labels and every kind of part; classes of rows, tokens and pixels, one
output for two classes, and any number of classes.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl

CLASSES = 3
# The last batches are smaller, and leave the first of two replicas without.
ROWS, ROWS_U = 9, 21
RNG = np.random.default_rng(0)


def _normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def _tokens(rows):
    """Ids of tokens, 0 for padding; every row has one at least."""
    ids = RNG.integers(1, 9, size=(rows, 5))
    ids[np.arange(5) >= 1 + np.arange(rows)[:, None] % 5] = 0
    return ids


X, X_U = _normal(11, 4), _normal(ROWS_U, 4)
SERIES, SERIES_U = _normal(ROWS, 5, 4), _normal(ROWS_U, 5, 4)
IMAGES, IMAGES_U = _normal(ROWS, 4, 4, 1), _normal(ROWS_U, 4, 4, 1)
for _series in (SERIES, SERIES_U):
    _series[_tokens(len(_series)) == 0] = 0
TOKENS, TOKENS_U = _tokens(8), _tokens(20)
Y, TAGS = RNG.integers(3, size=11), RNG.integers(3, size=(ROWS, 5))
# -1: not known.
Y_U = RNG.integers(-1, 3, size=ROWS_U)
TAGS_U = RNG.integers(-1, 3, size=(ROWS_U, 5))
WEIGHT = RNG.uniform(0.2, 2.0, size=11)
WEIGHT_U = RNG.uniform(0.2, 2.0, size=(ROWS_U, 1))
WEIGHT_TAGS = RNG.uniform(0.2, 2.0, size=(ROWS_U, 5))
# 255: no class, as maps of segments say it.
MAPS, MAPS_U = (
    np.where(RNG.uniform(size=(rows, 4, 4)) < 0.2, 255, maps).astype("uint8")
    for rows, maps in (
        (ROWS, RNG.integers(3, size=(ROWS, 4, 4))),
        (ROWS_U, RNG.integers(3, size=(ROWS_U, 4, 4))),
    )
)
WEIGHT_MAPS = RNG.uniform(0.2, 2.0, size=(ROWS, 4, 4))
SEVERAL = RNG.integers(2, size=(11, 3))
SEVERAL_U = RNG.integers(-1, 2, size=(ROWS_U, 3))
ONE_HOT = np.eye(CLASSES, dtype="float32")
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _sequential(shape, *layers, dtype=None):
    return keras.Sequential(
        [keras.Input(shape, dtype=dtype), *layers, keras.layers.Dense(CLASSES)]
    )


def _rows():
    """Rank 2: weights of rows, a lagged teacher, batch normalization.

    Of a single row that amplifies rounding: there are three at least.
    """
    classifier = _sequential(
        (4,),
        keras.layers.Dense(8, "tanh", kernel_regularizer="l2"),
        keras.layers.BatchNormalization(synchronized=True),
    )
    return {
        "classifier": classifier,
        "labeled": (X, Y, WEIGHT),
        "unlabeled": (X_U, Y_U, WEIGHT_U),
        "choices": {
            "teacher": "lagged",
            "selection": tpl.Threshold(0.45, mean="accepted"),
            "terms": [tpl.ClassPrior(0.5)],
        },
    }


def _series():
    """Rank 3: masked steps in time, one-hot labels, sharpened targets."""
    return {
        "classifier": _sequential(
            (5, 4), keras.layers.Masking(), keras.layers.Dense(6, "relu")
        ),
        "loss": keras.losses.CategoricalCrossentropy(from_logits=True),
        "labeled": (SERIES, ONE_HOT[TAGS]),
        "unlabeled": (SERIES_U, TAGS_U),
        "choices": {
            "target": tpl.Sharpened(0.5),
            "terms": [tpl.MinimumEntropy(0.3)],
        },
    }


def _images():
    """Rank 4: convolutions, measured thresholds, a mean over weights."""
    return {
        "classifier": _sequential(
            (4, 4, 1),
            keras.layers.Conv2D(3, 2, activation="relu"),
            keras.layers.Flatten(),
        ),
        "loss": keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        "labeled": (IMAGES, Y[:ROWS]),
        "unlabeled": (IMAGES_U, Y_U, WEIGHT_U),
        "choices": {"teacher": "training", "selection": tpl.TopShare()},
        "callbacks": [tpl.ShareScheduler(lambda epoch: 0.5, IMAGES_U)],
    }


def _recurrent():
    """Masked tokens through a recurrent layer; weights of positions."""
    return {
        "classifier": _sequential(
            (5,),
            keras.layers.Embedding(9, 6, mask_zero=True),
            keras.layers.SimpleRNN(5, return_sequences=True),
            dtype="int64",
        ),
        "labeled": (TOKENS, TAGS[:8], WEIGHT[:8]),
        "unlabeled": (TOKENS_U, TAGS_U[:20], WEIGHT_TAGS[:20]),
        "choices": {
            "selection": tpl.Threshold(0.7),
            "terms": [tpl.ClassPrior(0.4), tpl.ConditionalEntropy(0.2)],
        },
    }


def _segments():
    """A class for every pixel, or none."""
    return {
        "classifier": _sequential(
            (4, 4, 1), keras.layers.Conv2D(6, 3, padding="same")
        ),
        "loss": keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=255
        ),
        "labeled": (IMAGES, MAPS, WEIGHT_MAPS),
        "unlabeled": (IMAGES_U, MAPS_U, WEIGHT_U),
        "choices": {
            # Thresholds that are measured are those of a pixel, which another
            # rounding puts on the other side.
            "selection": tpl.Threshold(0.45, mean="accepted"),
            "terms": [tpl.ConditionalEntropy(0.3)],
        },
    }


def _binary():
    """One sigmoid for every token; weights of rows and of positions."""
    return {
        "classifier": keras.Sequential(
            [
                keras.Input((5,), dtype="int64"),
                keras.layers.Embedding(9, 6, mask_zero=True),
                keras.layers.SimpleRNN(5, return_sequences=True),
                keras.layers.Dense(1, "sigmoid"),
            ]
        ),
        "loss": "binary_crossentropy",
        # By the column: Keras compares rows of labels (batch, tokens) as such.
        "labeled": (TOKENS, TAGS[:8, :, None] > 0, WEIGHT[:8]),
        "unlabeled": (
            TOKENS_U,
            np.minimum(TAGS_U[:20], 1),
            WEIGHT_TAGS[:20],
        ),
        "choices": {
            "selection": tpl.TwoSided(0.8, 0.4),
            "terms": [tpl.ClassPrior(0.4), tpl.MinimumEntropy(0.2)],
        },
    }


def _several_classes():
    """Any number of classes; a lagged teacher, thresholds of every class."""
    return {
        "classifier": _sequential((4,), keras.layers.Dense(8, "tanh")),
        "loss": keras.losses.BinaryFocalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        "labeled": (X, SEVERAL, WEIGHT),
        "unlabeled": (X_U, SEVERAL_U, WEIGHT_U),
        "choices": {
            "teacher": "lagged",
            "target": "multi_hot",
            "selection": tpl.TwoSided([0.5, 0.6, 0.7], 0.45, mean="accepted"),
            "terms": [tpl.MinimumEntropy(0.2), tpl.ConditionalEntropy(0.2)],
        },
    }


def _one_label_a_batch():
    """Which leaves the first of two replicas unlabeled rows alone."""
    case = _rows()
    case["labeled"] = [part[:5] for part in case["labeled"]]
    case["unlabeled"] = [part[:20] for part in case["unlabeled"]]
    return {**case, "batches": (1, 4), "t1": -1}


CASES = (
    *(_rows, _series, _images, _recurrent),
    *(_segments, _binary, _several_classes),
)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
# Each is traced, or compiled, more than once; the others are behind `slow`.
_IN_TIME = (_rows, _segments)
each_case_in_time = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow] * (case not in _IN_TIME))
        for case in CASES
    ],
    ids=lambda c: c.__name__,
)


def _streams(case, alternating, whole_batches):
    sizes = case.get("batches", (4, 10))
    labeled, unlabeled = (
        tf.data.Dataset.from_tensor_slices(
            tuple(part[: -(len(part) % size) or None] for part in case[which])
            if whole_batches
            else tuple(case[which])
        ).batch(size)
        for which, size in zip(("labeled", "unlabeled"), sizes, strict=True)
    )
    if alternating:
        return tpl.alternate_streams(labeled, unlabeled, unlabeled_batches=2)
    return tpl.merge_streams(labeled, unlabeled)


def _trained(
    case, strategy=None, alternating=False, whole_batches=False, **options
):
    """Returns the weights after two epochs, and every logged figure."""
    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(1)
    with strategy.scope():
        case = case()
        model = tpl.PseudoLabelModel(case["classifier"], **case["choices"])
        model.compile(
            keras.optimizers.SGD(0.3, momentum=0.5),
            case.get("loss", LOSS),
            metrics=["accuracy"],
            **options,
        )
    ramp = tpl.LinearRamp(case.get("t1", 0), 2, alpha_f=0.8)
    logs = model.fit(
        _streams(case, alternating, whole_batches),
        epochs=2,
        verbose=0,
        callbacks=[tpl.AlphaScheduler(ramp), *case.get("callbacks", ())],
    ).history
    return model.get_weights(), logs


@functools.cache
def _eagerly(case, alternating=False):
    return _trained(case, alternating=alternating, run_eagerly=True)


def _assert_same(found, expected, atol=2e-6):
    weights, logs = found
    expected_weights, expected_logs = expected
    for a, b in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(a, b, atol=atol)
    assert logs.keys() == expected_logs.keys()
    for key, values in expected_logs.items():
        np.testing.assert_allclose(
            logs[key], values, rtol=2e-5, atol=2e-6, err_msg=key
        )


@each_case
def test_what_is_compared_is_worth_it(case):
    """Some rows count and some do not, some labels are known."""
    _, logs = _eagerly(case)

    assert logs["alpha"] == [0, pytest.approx(0.4)]
    # Nothing is known while alpha is 0.
    assert len(logs["pseudo_label_accuracy"]) == 1
    assert 0 < logs["pseudo_label_accuracy"][-1] < 1
    assert logs["unlabeled_loss"][0] == 0 < logs["unlabeled_loss"][1]
    assert logs.get("coverage", [0.5])[-1] not in (0, 1)


@each_case
def test_in_a_graph(case):
    _assert_same(_trained(case, jit_compile=False), _eagerly(case))


@each_case_in_time
def test_by_xla(case):
    """It compiles for every size of batches, slowly: there is one."""
    _assert_same(
        _trained(case, whole_batches=True, jit_compile=True),
        _trained(case, whole_batches=True, run_eagerly=True),
    )


@each_case_in_time
def test_on_two_replicas(case, two_replicas):
    _assert_same(_trained(case, two_replicas), _eagerly(case))


def test_several_updates_at_once():
    """Three in an epoch, so that one is left."""
    _assert_same(_trained(_rows, steps_per_execution=2), _eagerly(_rows))


@pytest.mark.parametrize("updates", [1, 4])
def test_alternating(updates):
    found = _trained(_series, alternating=True, steps_per_execution=updates)

    _assert_same(found, _eagerly(_series, alternating=True))


def test_alternating_by_xla():
    options = {"alternating": True, "whole_batches": True}
    _assert_same(
        _trained(_series, **options, jit_compile=True),
        _trained(_series, **options, run_eagerly=True),
    )


@pytest.mark.slow
def test_alternating_on_two_replicas(two_replicas):
    found = _trained(_series, two_replicas, alternating=True)

    _assert_same(found, _eagerly(_series, alternating=True))


def test_batch_normalization_counts_no_row_twice(two_replicas):
    found = _trained(_one_label_a_batch, two_replicas)

    # Few rows amplify rounding.
    _assert_same(found, _eagerly(_one_label_a_batch), atol=1e-5)
