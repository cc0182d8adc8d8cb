import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import digits
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import jobs, phases, training

STREAMS = pytest.mark.parametrize(
    ("stream", "labeled_epochs"),
    [("merged", 0), ("merged", 1), ("alternating", 0), ("alternating", 1)],
)
# The two that are least alike; the others behind the marker.
SOME_STREAMS = pytest.mark.parametrize(
    ("stream", "labeled_epochs"),
    [
        ("merged", 0),
        pytest.param("merged", 1, marks=pytest.mark.slow),
        pytest.param("alternating", 0, marks=pytest.mark.slow),
        ("alternating", 1),
    ],
)
ARMS = (training.SUPERVISED, training.PSEUDO_LABEL)


@pytest.fixture(scope="module")
def data():
    return digits.load()


@pytest.fixture(scope="module")
def recipe(recipe_of_12_labels):
    return recipe_of_12_labels


def _train(arm, recipe, data, *callbacks, strategy=None):
    """The classifier, and counts: updates as the optimizer has counted them."""
    seen = {}

    class Count(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen["updates"] = int(self.model.optimizer.iterations.numpy())

    classifier, counts = training.train(
        arm,
        recipe,
        task_of(data, jobs.draw_split(recipe, data)),
        strategy or tf.distribute.get_strategy(),
        [Count(), *callbacks],
    )
    return classifier, {**counts, **seen}


def _equal(classifier, other):
    pairs = zip(classifier.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("epoch", "batch", "restart_epochs", "times"),
    [(0, 0, None, 1), (1, 0, None, 0), (0, 2, None, 0), (1, 0, 1, 1)],
)
def test_a_run_that_goes_on_is_pretrained_only_to_start_over_from_there(
    epoch, batch, restart_epochs, times, recipe, data, monkeypatch
):
    pretrained = []
    monkeypatch.setattr(training, "_pretrain", lambda *_: pretrained.append(1))
    recipe = dataclasses.replace(
        recipe,
        network="mlp",
        dae_epochs=1,
        epochs=2,
        restart_epochs=restart_epochs,
    )

    training.train(
        training.PSEUDO_LABEL,
        recipe,
        task_of(data, jobs.draw_split(recipe, data)),
        tf.distribute.get_strategy(),
        [],
        epoch,
        batch,
    )

    assert len(pretrained) == times


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_another_learning_rate_before_alpha_rises(arm, recipe, data):
    rates = []

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 0:
                rates.append(float(self.model.optimizer.learning_rate))

    recipe = dataclasses.replace(
        recipe,
        labeled_epochs=1,
        epochs=3,
        t1=2.0,
        t2=2.0,
        first_learning_rate=0.25,
        learning_rate=0.125,
    )
    _train(arm, recipe, data, Note())
    assert rates == [0.25, 0.25, 0.125]


@STREAMS
def test_without_alpha_both_arms_end_alike_bit_for_bit(
    stream, labeled_epochs, recipe, data
):
    recipe = dataclasses.replace(
        recipe,
        stream=stream,
        unlabeled_batches=2,
        # An update without rows would still move by its momentum.
        momentum=0.9 if stream == "merged" else 0.0,
        t1=99,
        t2=99,
        labeled_epochs=labeled_epochs,
        epochs=2 + labeled_epochs,
    )
    (supervised, counts), (pseudo_label, counts_too) = (
        _train(arm, recipe, data) for arm in ARMS
    )
    assert _equal(supervised, pseudo_label)
    assert counts["unlabeled_examples"] == 0
    assert counts_too["unlabeled_examples"] == 20
    # 3 batches an epoch, then two epochs of 5 updates; or of 3 passes over 3
    # batches, and 5 unlabeled batches.
    expected = {"merged": (10, 10), "alternating": (18, 28)}[stream]
    split = jobs.draw_split(recipe, data)
    for arm, found, after in zip(
        ARMS, (counts, counts_too), expected, strict=True
    ):
        assert found["updates"] == 3 * labeled_epochs + after
        assert found["updates"] == training.updates_of(
            arm, recipe, split, recipe.epochs
        )
        # Ended by an alarm before the second phase, or in it.
        for epochs, updates in ((labeled_epochs, 0), (labeled_epochs + 1, 1)):
            assert training.updates_of(arm, recipe, split, epochs) == (
                3 * labeled_epochs + updates * after // 2
            )
    assert counts["labeled_examples"] == counts_too["labeled_examples"] == 12


def test_with_alpha_the_arms_part(recipe, data):
    recipe = dataclasses.replace(recipe, t1=1, t2=1, epochs=2)
    (supervised, _), (pseudo_label, _) = (
        _train(arm, recipe, data) for arm in ARMS
    )
    assert not _equal(supervised, pseudo_label)


def test_the_seed_alone_decides(recipe, data):
    recipe = dataclasses.replace(recipe, t1=1, t2=1)
    first, _ = _train(training.PSEUDO_LABEL, recipe, data)
    again, _ = _train(training.PSEUDO_LABEL, recipe, data)
    assert _equal(first, again)
    recipe = dataclasses.replace(recipe, seed=recipe.seed + 1)
    other, _ = _train(training.PSEUDO_LABEL, recipe, data)
    assert not _equal(first, other)


@STREAMS
def test_both_arms_draw_the_same_labeled_batches(
    stream, labeled_epochs, recipe, data
):
    recipe = dataclasses.replace(
        recipe,
        stream=stream,
        unlabeled_batches=2,
        labeled_epochs=labeled_epochs,
    )
    split = jobs.draw_split(recipe, data)
    for phase in phases.phases_of(recipe, split):
        rows = 2 * phase.labeled_steps
        supervised = training.SUPERVISED.stream(phase, 0).take(rows)
        merged = training.PSEUDO_LABEL.stream(phase, 0)
        labeled = [
            batch for batch, _ in merged.take(2 * phase.steps) if len(batch[0])
        ]
        assert len(labeled) == rows
        for ((x, y), x_u), (x_too, y_too) in zip(
            supervised, labeled, strict=True
        ):
            assert len(x_u) == 0
            np.testing.assert_array_equal(x, x_too)
            np.testing.assert_array_equal(y, y_too)


@SOME_STREAMS
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_a_stream_can_begin_with_any_batch(
    arm, stream, labeled_epochs, recipe, data
):
    recipe = dataclasses.replace(
        recipe,
        stream=stream,
        unlabeled_batches=2,
        labeled_epochs=labeled_epochs,
        labeled_batch=5,  # Of 12: the last batch of a pass is smaller.
        unlabeled_batch=6,
    )
    split = jobs.draw_split(recipe, data)
    for phase in phases.phases_of(recipe, split):
        steps = 3 * arm.steps(phase)
        whole = list(arm.stream(phase, 0).take(steps).as_numpy_iterator())
        for first in range(1, steps):
            rest = arm.stream(phase, first).take(steps - first)
            pairs = zip(rest.as_numpy_iterator(), whole[first:], strict=True)
            for batch, expected in pairs:
                for a, b in zip(
                    tf.nest.flatten(batch),
                    tf.nest.flatten(expected),
                    strict=True,
                ):
                    np.testing.assert_array_equal(a, b)


def test_alternating_alpha_follows_the_passes_over_the_labels(recipe, data):
    recipe = dataclasses.replace(
        recipe,
        stream="alternating",
        unlabeled_batches=2,
        t1=4,
        t2=104,
        alpha_f=100.0,  # So that alpha is t - 4 from there on.
        labeled_epochs=4,
        epochs=6,
    )
    seen = []

    class Recorder(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append((int(self.epoch), float(self.model.alpha)))

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    _train(training.PSEUDO_LABEL, recipe, data, Recorder())
    # LLL uu LLL uu LLL u: t moves where a pass over the labels begins.
    assert seen == [
        *[(epoch, 0) for epoch in range(4) for _ in range(3)],
        *[(4, 0)] * 5,
        *[(4, 1)] * 5,
        *[(4, 2)] * 4,
        *[(5, 3)] * 5,
        *[(5, 4)] * 5,
        *[(5, 5)] * 4,
    ]


def test_merged_alpha_follows_the_epochs(recipe, data):
    recipe = dataclasses.replace(recipe, t1=1, t2=3, alpha_f=4.0)
    seen = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((epoch, logs["alpha"]))
    )
    _train(training.PSEUDO_LABEL, recipe, data, record)
    assert seen == [(0, 0.0), (1, 0.0), (2, 2.0), (3, 4.0)]


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_first_loss_by_hand(output, recipe, data):
    """A learning rate of 0 leaves the loss of the initial weights."""
    recipe = dataclasses.replace(
        recipe,
        output=output,
        learning_rate=0.0,
        dropout=0.0,
        labeled_epochs=1,
        epochs=1,
    )
    logs = {}
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, found: logs.update(found)
    )
    classifier, _ = _train(training.SUPERVISED, recipe, data, record)
    split = jobs.draw_split(recipe, data)
    for name, rows in (("loss", split.labeled), ("val_loss", split.validation)):
        logits = classifier(rows.read()).numpy().astype(np.float64)
        right = logits[np.arange(len(rows)), rows.labels]
        if output == "softmax":
            losses = np.log(np.exp(logits).sum(axis=1)) - right
        else:
            losses = np.logaddexp(0, logits).sum(axis=1) - right
        assert logs[name] == pytest.approx(losses.mean(), rel=1e-5)


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_balanced_classes_weigh_alike_in_the_first_loss(arm, recipe, data):
    recipe = dataclasses.replace(
        recipe,
        class_weight="balanced",
        labeled_batch=12,
        learning_rate=0.0,
        dropout=0.0,
        t1=100.0,
        t2=100.0,
        labeled_epochs=1,
        epochs=1,
    )
    rows = [
        np.flatnonzero(data.train.labels == label)[:count]
        for label, count in ((0, 8), (1, 3), (2, 1))
    ]
    task = task_of(data, jobs.draw_split(recipe, data))
    labeled = data.train.take(np.concatenate(rows))
    split = dataclasses.replace(task.split, labeled=labeled)
    logs = {}
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, found: logs.update(found)
    )
    classifier, _ = training.train(
        arm,
        recipe,
        task._replace(split=split),
        tf.distribute.get_strategy(),
        [record],
    )
    logits = classifier(labeled.read()).numpy().astype(np.float64)
    losses = np.log(np.exp(logits).sum(axis=1))
    losses -= logits[np.arange(12), labeled.labels]
    weights = np.repeat([1 / 2, 4 / 3, 4.0], [8, 3, 1])
    assert logs["loss"] == pytest.approx((weights * losses).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "kind", "momentum"),
    [
        ("sgd", keras.optimizers.SGD, 0.5),
        ("adam", keras.optimizers.Adam, None),
        ("adamw", keras.optimizers.AdamW, None),
        ("rmsprop", keras.optimizers.RMSprop, 0.0),
    ],
)
def test_the_momentum_is_that_of_sgd(name, kind, momentum, recipe, data):
    recipe = dataclasses.replace(
        recipe, optimizer=name, learning_rate=0.25, momentum=0.5
    )

    class Begun(Exception):  # noqa: N818
        pass

    class Interrupt(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise Begun(self.model.optimizer)

    with pytest.raises(Begun) as begun:
        _train(training.SUPERVISED, recipe, data, Interrupt())
    (optimizer,) = begun.value.args
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.get_config().get("momentum") == momentum


@SOME_STREAMS
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_two_replicas_end_like_one(
    arm, stream, labeled_epochs, recipe, data, two_replicas
):
    recipe = dataclasses.replace(
        recipe,
        stream=stream,
        labeled_epochs=labeled_epochs,
        dropout=0.0,
        t1=1,
        t2=2,
        epochs=3,
    )
    one, counts = _train(arm, recipe, data)
    two, counts_too = _train(arm, recipe, data, strategy=two_replicas)
    assert counts["updates"] == counts_too["updates"]
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@STREAMS
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_what_remains_is_fitted_from_any_batch_on(
    arm, stream, labeled_epochs, recipe, data
):
    recipe = dataclasses.replace(
        recipe, stream=stream, labeled_epochs=labeled_epochs, epochs=3
    )
    split = jobs.draw_split(recipe, data)
    both = phases.phases_of(recipe, split)

    def batches(epoch, batch):
        found = []
        for phase, begin, end, first in training._fits(both, epoch, batch):
            steps = arm.steps(phase)
            for e in range(begin, end):
                found += [(e, b) for b in range(first, steps)]
        return found

    every = batches(0, 0)
    assert sorted({epoch for epoch, _ in every}) == [0, 1, 2]
    for number, (epoch, batch) in enumerate(every):
        assert batches(epoch, batch) == every[number:]
    # The end is restored by a fit of no epochs.
    assert [fit[1:] for fit in training._fits(both, 3, 0)] == [(3, 3, 0)]


@pytest.mark.parametrize("stream", ["merged", "alternating"])
def test_no_stream_of_a_training_is_tuned(stream, recipe, data, monkeypatch):
    """The end of `fit` could wait for the tuning thread, up to a minute."""
    tuned = []
    iterate = tf.data.Dataset.__iter__

    def recorded(dataset):
        if isinstance(dataset.element_spec, tuple):  # Batches.
            tuned.append(dataset.options().autotune.enabled)
        return iterate(dataset)

    monkeypatch.setattr(tf.data.Dataset, "__iter__", recorded)
    recipe = dataclasses.replace(
        recipe, stream=stream, network="mlp", dae_epochs=1
    )
    _train(training.PSEUDO_LABEL, recipe, data)

    # Pretraining, two phases, validation in each.
    assert len(tuned) >= 5
    assert set(tuned) == {False}


def test_batches_through_a_tf_data_service(recipe, data):
    """Each batch of the phase is made once, by one of two workers."""
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    workers = [
        service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
        for _ in range(2)
    ]
    split = jobs.draw_split(recipe, data)
    phase = phases.phases_of(recipe, split)[-1]
    stream = phase.merged(0)
    expected = {x_u.numpy().tobytes() for _, (x_u, _) in stream.take(200)}
    served = training._served(stream, dispatcher.target)
    found = [x_u.numpy().tobytes() for _, (x_u, _) in served.take(100)]
    assert len(set(found)) == 100
    assert set(found) <= expected
    recipe = dataclasses.replace(
        recipe, t1=1, t2=1, data_service=dispatcher.target
    )
    served, counts = _train(training.PSEUDO_LABEL, recipe, data)
    assert counts["updates"] == 3 + 3 * 5
    del workers


def test_the_optimizer_of_lee(recipe, data):
    recipe = dataclasses.replace(
        recipe,
        labeled_epochs=0,
        optimizer="lee2013",
        learning_rate=1.5,
        learning_rate_decay=0.998,
        momentum=0.5,
        final_momentum=0.9,
        momentum_epochs=10.0,
    )
    optimizer = training.optimizer_of(recipe, 7, None)
    assert float(optimizer._learning_rate(7)) == pytest.approx(1.5 * 0.998)
    assert float(optimizer.momentum(35)) == pytest.approx(0.7)
    assert float(optimizer.momentum(700)) == pytest.approx(0.9)


def test_a_learning_rate_that_decays_with_the_epochs(recipe, data):
    recipe = dataclasses.replace(
        recipe,
        labeled_epochs=0,
        optimizer="adam",
        learning_rate=0.1,
        learning_rate_decay=0.5,
    )
    rate = training.optimizer_of(recipe, 3, None)._learning_rate
    found = [float(rate(step)) for step in (0, 2, 3, 6)]
    assert found == pytest.approx([0.1, 0.1, 0.05, 0.025])


OWN = """
import keras
from keras import layers

def build(spec, num_classes):
    backbone = keras.Sequential(
        [keras.Input(spec.shape), layers.Flatten(), layers.Dense(4)],
        name="backbone",
    )
    return keras.Sequential(
        [keras.Input(spec.shape), backbone, layers.Dense(num_classes)]
    )
"""


def _task(recipe, data):
    return task_of(data, jobs.draw_split(recipe, data))


def _own(recipe, tmp_path, **values):
    file = tmp_path / "my.py"
    file.write_text(OWN)
    # Without the options of another network.
    options = {"hidden_units": None, "dropout": None}
    values = {"network": f"{file}:build", **options, **values}
    return dataclasses.replace(recipe, optimizer="sgd", momentum=0.0, **values)


def test_a_backbone_learns_at_its_own_rate(recipe, data, tmp_path):
    """At a rate of 0 not at all; its place among the weights is the model's."""
    slow = _own(recipe, tmp_path, backbone_learning_rate=0.0)
    keras.utils.set_random_seed(slow.seed)
    before = training.build_classifier(slow, _task(slow, data))
    classifier, _ = _train(training.PSEUDO_LABEL, slow, data)
    for a, b in zip(
        before.layers[0].get_weights(),
        classifier.layers[0].get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    assert (
        (before.layers[1].kernel != classifier.layers[1].kernel).numpy().any()
    )


def test_the_share_of_a_backbones_learning_rate(recipe, data, tmp_path):
    slow = _own(
        recipe, tmp_path, backbone_learning_rate=recipe.learning_rate / 5
    )
    classifier = training.build_classifier(slow, _task(slow, data))
    optimizer = training.optimizer_of(slow, 7, classifier)
    assert optimizer.scales == pytest.approx((0.2, 0.2, 1.0, 1.0))
    frozen = dataclasses.replace(slow, freeze="all")
    classifier = training.build_classifier(frozen, _task(frozen, data))
    assert training.optimizer_of(frozen, 7, classifier).scales == (1.0, 1.0)


def test_a_learning_rate_of_no_backbone(recipe, data):
    recipe = dataclasses.replace(recipe, backbone_learning_rate=0.1)
    with pytest.raises(InputError, match="got mlp without one"):
        training.build_classifier(recipe, _task(recipe, data))
