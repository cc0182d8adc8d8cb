import functools
import gc
import re
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.streams import merging

# Each row is its own number; every third of the first 15 has a label.
ROWS = 20
X = np.arange(ROWS, dtype="float32")[:, None]
LABELED = [0, 3, 6, 9, 12]
Y = np.full(ROWS, -1)
Y[LABELED] = [0, 1, 2, 0, 1]
UNLABELED = [row for row in range(ROWS) if row not in LABELED]


def _stream(**changes):
    given = {"x": X, "y": Y, "labeled_batch": 2, "unlabeled_batch": 4}
    return tpl.from_arrays(**{**given, **changes})


def _rows(stream):
    """Each pair as (labeled rows, unlabeled rows)."""
    return [
        ([int(v) for v in labeled[0][:, 0]], [int(v) for v in x_u[:, 0]])
        for labeled, (x_u, *_) in stream
    ]


def _flat(batches):
    return [row for batch in batches for row in batch]


def _passes(batches, steps):
    rows = [batches[i : i + steps] for i in range(0, len(batches), steps)]
    return [_flat(batches) for batches in rows if len(batches) == steps]


# Which rows.


def test_an_epoch_is_a_pass_over_the_unlabeled_rows():
    stream = _stream()
    pairs = _rows(stream)

    assert len(stream) == len(pairs) == 4
    assert [len(rows) for _, rows in pairs] == [4, 4, 4, 3]
    assert sorted(_flat(rows for _, rows in pairs)) == UNLABELED


def test_every_pass_has_each_row_once_in_an_order_of_its_own():
    stream = _stream()
    pairs = _flat(_rows(stream) for _ in range(6))

    for side, (own, steps) in enumerate([(LABELED, 3), (UNLABELED, 4)]):
        passes = _passes([pair[side] for pair in pairs], steps)
        assert all(sorted(rows) == own for rows in passes)
        assert len(set(map(tuple, passes))) > len(passes) / 2


def test_the_order_is_that_of_numpy():
    stream = _stream(seed=7)
    pairs = _flat(_rows(stream) for _ in range(2))

    for side, own in enumerate((LABELED, UNLABELED)):
        expected = _flat(
            np.random.default_rng([7, side, number]).permutation(own).tolist()
            for number in range(2)
        )
        drawn = _flat(pair[side] for pair in pairs)
        assert drawn[: len(expected)] == expected


def test_the_order_is_a_function_of_the_seed():
    first = _rows(_stream(seed=1))

    assert _rows(_stream(seed=1)) == first
    assert _rows(_stream(seed=2)) != first


def test_sides_of_equally_many_rows_have_orders_of_their_own():
    y = np.tile([0, 1, -1, -1], 5)
    (labeled, unlabeled) = zip(
        *_rows(_stream(y=y, labeled_batch=10, unlabeled_batch=10)), strict=True
    )
    places = [
        [sorted(rows).index(row) for row in rows]
        for (rows,) in (labeled, unlabeled)
    ]
    assert places[0] != places[1]


@pytest.mark.parametrize("then", [False, True])
@pytest.mark.parametrize("updates", [0, 3, 4, 9])
def test_a_training_goes_on_in_another_process(updates, then):
    alone = _stream()
    pairs = _flat(_rows(alone) for _ in range(5))
    stream = _stream()
    used = stream.map(lambda *pair: pair).prefetch(2) if then else stream
    merging.go_on(used, updates)

    assert _flat(_rows(used) for _ in range(2)) == pairs[updates : updates + 8]


def test_two_iterators_do_not_disturb_each_other():
    alone, stream = _stream(), _stream()
    pairs = _flat(_rows(alone) for _ in range(2))
    first, second = iter(stream), iter(stream)
    drawn = [_rows([next(one)])[0] for _ in range(4) for one in (first, second)]

    assert drawn[::2] == pairs[:4]
    assert drawn[1::2] == pairs[4:]


def test_batches_have_no_more_rows_than_there_are():
    ((labeled, unlabeled),) = _rows(
        _stream(labeled_batch=32, unlabeled_batch=256)
    )

    assert sorted(labeled) == LABELED
    assert sorted(unlabeled) == UNLABELED


# What they carry.


def test_labels_and_weights_go_with_their_rows():
    weight = np.linspace(0, 1, ROWS)
    for (x, y, w), (x_u, hidden, w_u) in _stream(sample_weight=weight):
        np.testing.assert_array_equal(y, Y[x.numpy()[:, 0].astype(int)])
        np.testing.assert_allclose(w, x[:, 0] / 19, rtol=1e-6)
        np.testing.assert_allclose(w_u, x_u[:, 0] / 19, rtol=1e-6)
        assert hidden is None


def test_unlabeled_rows_are_numbered_where_that_is_asked_for():
    weight = np.linspace(0, 1, ROWS)
    plain = _stream(sample_weight=weight)
    stream = _stream(sample_weight=weight, numbered=True)

    for ((x, *_), (seen, hidden, w)), (labeled, (x_u, _, w_u)) in zip(
        stream, plain, strict=True
    ):
        np.testing.assert_array_equal(x, labeled[0])
        np.testing.assert_array_equal(seen.weak, x_u)
        np.testing.assert_array_equal(w, w_u)
        assert seen.strong == ()
        assert hidden is None
        assert [UNLABELED[i] for i in seen.index] == list(x_u[:, 0])


def test_several_inputs_are_numbered_too():
    stream = _stream(x={"a": X, "b": X}, numbered=True)
    for _, (seen,) in stream:
        np.testing.assert_array_equal(seen.weak["a"], seen.weak["b"])
        assert [UNLABELED[i] for i in seen.index] == list(seen.weak["b"][:, 0])


def test_the_unlabeled_stream_has_no_labels():
    for _, unlabeled in _stream():
        assert len(unlabeled) == 1


@pytest.mark.parametrize(
    ("y", "of_rows"),
    [
        (Y[:, None], lambda rows: Y[rows][:, None]),
        (np.eye(4)[Y] * (Y >= 0)[:, None], lambda rows: np.eye(4)[Y[rows]]),
        (np.stack([Y, Y], 1), lambda rows: np.stack([Y, Y], 1)[rows]),
    ],
    ids=["a column", "one value per class", "positions"],
)
def test_labels_of_other_forms(y, of_rows):
    for (x, found), _ in _stream(y=y):
        expected = of_rows(x.numpy()[:, 0].astype(int))
        np.testing.assert_array_equal(found, expected)


def test_inputs_of_every_kind():
    x = {
        "image": np.arange(ROWS, dtype="uint8")[:, None, None],
        "pair": (np.arange(ROWS), np.arange(ROWS, dtype="float64")),
        "text": [str(row) for row in range(ROWS)],
        "name": np.array([str(row) for row in range(ROWS)]),
        "flag": np.arange(ROWS) % 2 == 0,
        "half": np.arange(ROWS, dtype="float16"),
    }
    stream = tpl.from_arrays(x, Y, 2, 4)
    for labeled, unlabeled in stream:
        for found in (labeled[0], unlabeled[0]):
            rows = found["pair"][0].numpy()
            assert found["image"].dtype == tf.uint8
            assert found["image"].shape[1:] == (1, 1)
            assert found["pair"][1].dtype == found["half"].dtype == tf.float32
            assert found["flag"].dtype == tf.bool
            np.testing.assert_array_equal(found["flag"], rows % 2 == 0)
            np.testing.assert_array_equal(found["half"], rows)
            for name in ("text", "name"):
                assert [int(v) for v in found[name].numpy()] == list(rows)


def test_several_inputs_are_no_labels():
    (x, _), unlabeled = next(iter(_stream(x=(X, X))))

    assert len(x) == 2
    assert len(unlabeled) == 1
    assert len(unlabeled[0]) == 2


def test_names_are_kept():
    names = np.array(["b", "c", "a", ""])[Y]
    stream = _stream(y=names)

    assert stream.class_names == ["a", "b", "c"]
    for (x, y), _ in stream:
        found = [stream.class_names[number] for number in y]
        assert found == list(names[x.numpy()[:, 0].astype(int)])
    assert _stream().class_names is None


def test_arrays_on_disk_stay_there(tmp_path):
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")

    assert _rows(_stream(x=x)) == _rows(_stream())


def test_arrays_live_as_long_as_a_stream_that_is_made_of_them():
    x = X.copy()
    stream = _stream(x=x).map(lambda *pair: pair).prefetch(1)
    alive = weakref.ref(x)
    del x
    gc.collect()
    assert len(_rows(stream)) == 4
    del stream
    gc.collect()
    assert alive() is None


# Training.

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(ROWS, 3))
WEIGHTS = np.linspace(0.5, 2, ROWS)


def _trained(strategy=None, restart=False, stream=None):
    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(0)
    with strategy.scope():
        classifier = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(3)]
        )
        model = tpl.PseudoLabelModel(classifier)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.3), loss, metrics=["accuracy"])
    calls = [(0, 3)] if not restart else [(0, 1), (1, 3)]
    for initial_epoch, epochs in calls:
        if stream is None or restart:
            stream = _stream(x=POINTS, sample_weight=WEIGHTS)
        history = model.fit(
            stream,
            initial_epoch=initial_epoch,
            epochs=epochs,
            verbose=0,
            validation_data=(POINTS[LABELED], Y[LABELED]),
            callbacks=[tpl.AlphaScheduler(tpl.LinearRamp(0, 2, alpha_f=1.0))],
        )
    return model.get_weights(), history.history


@functools.cache
def _trained_alone():
    return _trained()


def test_fit():
    _, logs = _trained_alone()

    assert logs["alpha"] == [0, 0.5, 1]
    assert logs["unlabeled_loss"][-1] > 0
    assert "val_accuracy" in logs
    assert "pseudo_label_accuracy" not in logs


def test_a_selection_that_remembers_rows_finds_each_in_its_place():
    keras.utils.set_random_seed(0)
    rows = len(UNLABELED)
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])
    # So low that every row is sure of its class.
    selection = tpl.Curriculum(0.1, rows)
    model = tpl.PseudoLabelModel(network, selection=selection)
    model.alpha.assign(1.0)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    # Nothing learns, so that what was said first is said at the end.
    model.optimizer.learning_rate = 0.0
    model.fit(_stream(numbered=True), epochs=1, verbose=0)

    said = np.argmax(network.predict(X[UNLABELED], verbose=0), axis=-1)
    np.testing.assert_array_equal(selection.selected.value, said)


def test_fit_repeats_exactly_whatever_was_drawn_before():
    stream = _stream(x=POINTS, sample_weight=WEIGHTS)
    next(iter(stream))
    for a, b in zip(
        _trained_alone()[0], _trained(stream=stream)[0], strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_fit_goes_on_where_it_was():
    for a, b in zip(
        _trained_alone()[0], _trained(restart=True)[0], strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_two_replicas_equal_one(two_replicas):
    weights, logs = _trained_alone()
    found, found_logs = _trained(two_replicas)

    for a, b in zip(found, weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(found_logs["loss"], logs["loss"], rtol=1e-5)


def test_no_machine_has_files_of_its_own(two_replicas):
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.FILE
    )
    stream = _stream(x=POINTS).with_options(options)
    with pytest.raises(ValueError, match="files of its own; got it for arrays"):
        _trained(two_replicas, stream=stream)


def test_positions_without_a_label_are_ignored_by_a_loss_that_does():
    y = np.stack([Y, np.roll(Y, 1)], axis=1)
    x = RNG.normal(size=(ROWS, 2, 3))
    classifier = keras.Sequential([keras.layers.Dense(3)])
    model = tpl.PseudoLabelModel(classifier)
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=-1
    )
    model.compile("sgd", loss)
    stream = tpl.from_arrays(x, y, 4, 4)
    (_, y), _ = next(iter(stream))
    assert (y.numpy() == -1).any()

    assert np.isfinite(model.fit(stream, verbose=0).history["loss"][0])


# Refusals.


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"x": X[:5]}, "equally many rows; got 5 in x and 20 in y"),
        ({"y": np.zeros(ROWS, int)}, "two classes at least"),
        ({"y": np.arange(ROWS)}, "leave some rows unlabeled"),
        ({"y": np.full(ROWS, -1)}, "some labels"),
        ({"labeled_batch": 0}, "`labeled_batch` must be .* got 0"),
        ({"unlabeled_batch": 2.5}, "`unlabeled_batch` must be .* got 2.5"),
        ({"seed": -1}, "`seed` must be .* got -1"),
        ({"seed": None}, "`seed` must be .* got None"),
        (
            {"sample_weight": X[:5]},
            r"\(20,\) or \(20, 1\); got float32 \(5, 1\)",
        ),
        ({"sample_weight": ["a"] * ROWS}, "a number for each row"),
        ({"sample_weight": 1.0}, r"got float64 \(\)"),
    ],
    ids=str,
)
def test_refusals(changes, text):
    with pytest.raises(ValueError) as error:
        _stream(**changes)
    assert re.search(text, str(error.value))
    assert "\n" not in str(error.value)


def test_what_a_batch_may_not_hold_is_refused_as_ever():
    x = POINTS.copy()
    x[3] = np.nan
    with pytest.raises(ValueError, match="labeled values must be finite"):
        _trained(stream=_stream(x=x))


# Tables.


@pytest.fixture(name="pd")
def fixture_pd():
    return pytest.importorskip("pandas", reason="pandas is not installed")


def test_a_table_through_a_feature_space(pd):
    table = pd.DataFrame(
        {
            "age": np.arange(ROWS),
            "job": np.array(["cook", "pilot"])[np.arange(ROWS) % 2],
        }
    )
    names = pd.Series(np.array(["yes", "no", "maybe", None])[Y])
    space = keras.utils.FeatureSpace(
        {"age": "float_normalized", "job": "string_categorical"}
    )
    space.adapt(tf.data.Dataset.from_tensor_slices(dict(table)))
    scores = keras.layers.Dense(3)(space.get_encoded_features())
    model = tpl.PseudoLabelModel(keras.Model(space.get_inputs(), scores))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    stream = tpl.from_arrays(table, names)

    assert stream.class_names == ["maybe", "no", "yes"]
    assert np.isfinite(model.fit(stream, verbose=0).history["loss"][0])
