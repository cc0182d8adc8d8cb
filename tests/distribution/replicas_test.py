import typing

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.distribution import replicas as distribute


def test_replicas_are_counted(two_replicas):
    counted = two_replicas.run(lambda: tf.constant(distribute.count()))

    assert distribute.count() == 1
    assert [int(value) for value in counted.values] == [2, 2]


@pytest.mark.parametrize(
    ("size", "whole", "share"),
    [(4.0, 8.0, 1.0), (1.0, 5.0, 0.4), (0.0, 5.0, 0.0), (0.0, 0.0, 1.0)],
)
def test_the_share_of_the_whole_mean(size, whole, share, two_replicas):
    """Times it, the halves of what Keras scales sum to the whole mean."""
    found = two_replicas.run(
        lambda: distribute.share(tf.constant(size), tf.constant(whole))
    )

    assert float(found.values[0]) == pytest.approx(share)
    assert float(distribute.share(size, whole)) == 1


# Sums and means over replicas.


class _Pair(typing.NamedTuple):
    first: tf.Tensor
    rest: list


def test_nested_sums_keep_their_structure(two_replicas):
    def summed():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        replica = tf.cast(replica, tf.int32)
        return distribute.sum_over_replicas(
            _Pair(10 + replica, [tf.fill([2, 2], replica), 3, tf.zeros([0, 4])])
        )

    found = tf.function(two_replicas.run)(summed)
    for values in (v.values for v in tf.nest.flatten(found)):
        # Alike on every replica.
        np.testing.assert_array_equal(*values)
        assert {value.dtype for value in values} == {tf.float32}
    first, ones, number, empty = (v.values[0] for v in tf.nest.flatten(found))
    assert isinstance(found, _Pair)
    assert float(first) == 21
    np.testing.assert_array_equal(ones, [[1, 1], [1, 1]])
    assert float(number) == 6
    assert empty.shape == (0, 4)


def test_the_sum_over_one_replica_is_its_own():
    found = distribute.sum_over_replicas(_Pair(tf.constant(3), [4, []]))

    assert isinstance(found, _Pair)
    assert [float(v) for v in tf.nest.flatten(found)] == [3, 4]


MEANS = np.random.default_rng(7).uniform(0.1, 1.0, size=(5, 2))


def test_gradients_of_two_replicas_sum_to_that_of_the_whole_mean(two_replicas):
    """Of log(mean), which is not linear in it; 1 row here and 4 there."""
    rows = MEANS.astype("float32")
    parts = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.constant(
            [rows[:1], rows[1:]][context.replica_id_in_sync_group]
        )
    )
    factor = 1.5

    def of_replica(part):
        with tf.GradientTape() as tape:
            variable = tf.constant([factor, factor])
            tape.watch(variable)
            own = tf.reduce_sum(part * variable, axis=0)
            with tape.stop_recording():
                whole, count = distribute.sum_over_replicas(
                    (own, tf.shape(part)[0])
                )
            mean = distribute.mean_over_replicas(own, whole, count)
            # Divided by the number of replicas, as Keras losses are.
            loss = tf.reduce_sum(tf.math.log(mean + 1)) / 2
        return loss, tape.gradient(loss, variable)

    loss, gradient = tf.function(two_replicas.run)(of_replica, args=(parts,))

    mean = MEANS.mean(axis=0)
    expected = np.log(factor * mean + 1).sum()
    for value in loss.values:
        assert 2 * float(value) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(
        sum(gradient.values), mean / (factor * mean + 1), rtol=1e-6
    )


def test_the_mean_of_one_replica():
    own, whole = tf.Variable([3.0, 5.0]), tf.constant([3.0, 5.0])
    with tf.GradientTape() as tape:
        mean = distribute.mean_over_replicas(own, whole, 2.0)
        loss = tf.reduce_sum(mean**2)

    np.testing.assert_array_equal(mean, [1.5, 2.5])
    # 2 m / n.
    np.testing.assert_array_equal(tape.gradient(loss, own), [1.5, 2.5])


def test_the_mean_of_one_replica_has_its_gradient_once():
    own = tf.Variable([3.0, 5.0])
    with tf.GradientTape() as tape:
        sums = 1.0 * own
        with tape.stop_recording():
            whole = distribute.sum_over_replicas(sums)
        loss = tf.reduce_sum(distribute.mean_over_replicas(sums, whole, 2.0))
    np.testing.assert_array_equal(tape.gradient(loss, own), [0.5, 0.5])


def test_the_mean_of_no_rows_is_0():
    found = distribute.mean_over_replicas(tf.zeros([2]), tf.zeros([2]), 0.0)

    np.testing.assert_array_equal(found, [0, 0])


# One SGD step on the global batch, by hand.

RNG = np.random.default_rng(0)
CLASSES, ROWS, ROWS_U = 3, 4, 8
LEARNING_RATE, ALPHA = 0.5, 0.7
# A row of the unlabeled batch counts or not; on the first replica, none does.
ACCEPTED = np.array([0, 0, 0, 0, 1, 0, 2, 1], "float32")


def _update(strategy, classifier, reduction, labeled, unlabeled):
    """Returns the only weights before and after an update, and its logs."""
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = tpl.PseudoLabelModel(classifier())
        model.compile(
            keras.optimizers.SGD(LEARNING_RATE),
            keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction=reduction
            ),
        )
        model(labeled[0])
    model.alpha.assign(ALPHA)
    (before,) = model.classifier.get_weights()
    streams = (
        tf.data.Dataset.from_tensor_slices(arrays).batch(len(arrays[0]))
        for arrays in (labeled, unlabeled)
    )
    logs = model.fit(tpl.merge_streams(*streams), verbose=0).history
    (after,) = model.classifier.get_weights()
    return before, after, logs


def _loss_and_error(logits, targets, weights):
    """Returns the weighted sums of -log p, and of its derivative's rows."""
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    one_hot = np.eye(CLASSES)[targets]
    loss = -(weights * np.log((p * one_hot).sum(axis=-1))).sum()
    return loss, weights[..., None] * (p - one_hot)


def _assert_updated(found, gradient, labeled_loss, unlabeled_loss):
    before, after, logs = found
    np.testing.assert_allclose(
        after, before - LEARNING_RATE * gradient, atol=1e-6
    )
    for name, loss in (
        ("labeled_loss", labeled_loss),
        ("unlabeled_loss", unlabeled_loss),
        ("loss", labeled_loss + ALPHA * unlabeled_loss),
    ):
        assert logs[name] == [pytest.approx(loss, rel=1e-5)], name


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize(
    ("reduction", "rows", "rows_u"),
    [
        ("sum_over_batch_size", ROWS, ROWS_U),
        ("mean_with_sample_weight", ROWS, int(ACCEPTED.sum())),
        ("sum", 1, 1),
    ],
)
def test_reductions_are_over_the_global_batch(
    reduction, rows, rows_u, replicas, two_replicas
):
    x, x_u = (RNG.normal(size=(n, 5)).astype("float32") for n in (ROWS, ROWS_U))
    y = np.array([0, 1, 2, 1])
    found = _update(
        two_replicas if replicas == 2 else tf.distribute.get_strategy(),
        lambda: keras.Sequential(
            [keras.Input((5,)), keras.layers.Dense(CLASSES, use_bias=False)]
        ),
        reduction,
        (x, y),
        (x_u, np.zeros(ROWS_U, "int64"), ACCEPTED),
    )
    logits, logits_u = x @ found[0], x_u @ found[0]
    loss, error = _loss_and_error(logits, y, np.ones(ROWS))
    loss_u, error_u = _loss_and_error(logits_u, logits_u.argmax(-1), ACCEPTED)

    _assert_updated(
        found,
        x.T @ error / rows + ALPHA * x_u.T @ error_u / rows_u,
        loss / rows,
        loss_u / rows_u,
    )


@pytest.mark.parametrize("replicas", [1, 2])
def test_masked_values_do_not_count_on_any_replica(replicas, two_replicas):
    """Tokens of two sequences per replica; 0 is padding."""
    tokens = np.array([[1, 2, 3, 4], [5, 1, 2, 0], [3, 0, 0, 0], [2, 0, 0, 0]])
    tokens_u = np.array(
        [[4, 0, 0, 0], [1, 0, 0, 0], [2, 3, 1, 5], [5, 4, 2, 0]]
    )
    tags = RNG.integers(CLASSES, size=tokens.shape)
    found = _update(
        two_replicas if replicas == 2 else tf.distribute.get_strategy(),
        lambda: keras.Sequential(
            [
                keras.Input((4,), dtype="int64"),
                keras.layers.Embedding(6, CLASSES, mask_zero=True),
            ]
        ),
        "sum_over_batch_size",
        (tokens, tags),
        (tokens_u, np.zeros_like(tokens_u)),
    )
    table, gradient = found[0], 0
    losses = []
    for ids, targets, factor in (
        (tokens, tags, 1.0),
        (tokens_u, table[tokens_u].argmax(axis=-1), ALPHA),
    ):
        mask = ids > 0
        loss, error = _loss_and_error(table[ids], targets, mask)
        losses.append(loss / mask.sum())
        error = np.einsum("rtc,rtv->vc", error, np.eye(6)[ids])
        gradient += factor * error / mask.sum()

    _assert_updated(found, gradient, *losses)


def _summed_over_replicas(strategy):
    """Two variables in which every replica counts on its own."""
    with strategy.scope():
        return [
            tf.Variable(
                tf.zeros(shape),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
            for shape in ([], [3])
        ]


def test_local_values_are_those_of_every_replica(two_replicas):
    variables = _summed_over_replicas(two_replicas)

    def count():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        for variable in variables:
            variable.assign_add(
                tf.fill(variable.shape, 10.0 + tf.cast(replica, tf.float32))
            )

    two_replicas.run(count)
    two_replicas.run(count)
    scalar, vector = distribute.local_values(two_replicas, variables)
    np.testing.assert_array_equal(scalar, [20, 22])
    np.testing.assert_array_equal(vector, [[20, 20, 20], [22, 22, 22]])
    # The sum alone would not tell them apart.
    assert float(variables[0].read_value()) == 42


def test_local_values_come_back_to_their_replicas(two_replicas):
    variables = _summed_over_replicas(two_replicas)
    values = [tf.constant([1.0, 5.0]), tf.reshape(tf.range(6.0), [2, 3])]
    distribute.assign_local_values(two_replicas, variables, values)
    for variable, value in zip(variables, values, strict=True):
        parts = two_replicas.experimental_local_results(variable)
        np.testing.assert_array_equal(parts, value)
        np.testing.assert_array_equal(
            variable.read_value(), tf.reduce_sum(value, axis=0)
        )
    for value, again in zip(
        values, distribute.local_values(two_replicas, variables), strict=True
    ):
        np.testing.assert_array_equal(again, value)


def test_local_values_of_one_device():
    strategy = tf.distribute.get_strategy()
    variables = [tf.Variable(3.0), tf.Variable([[1, 2]])]
    values = distribute.local_values(strategy, variables)
    assert [value.shape for value in values] == [(1,), (1, 1, 2)]
    for variable in variables:
        variable.assign(tf.zeros_like(variable))
    distribute.assign_local_values(strategy, variables, values)
    assert float(variables[0]) == 3
    assert variables[1].numpy().tolist() == [[1, 2]]
