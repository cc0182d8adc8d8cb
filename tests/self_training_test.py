import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import linear
from tf_pseudolabel.self_training import surest

RNG = np.random.default_rng(0)
ROWS, LABELED, EPOCHS = 50, 12, 2
X = RNG.normal(size=(ROWS, 4)).astype("float32")
TRUE = (X @ RNG.normal(size=(4, 3))).argmax(axis=1)
Y = np.where(np.arange(ROWS) % 4 == 0, TRUE, -1)
Y[:3] = [0, 1, 2]
BATCHES = {"labeled_batch": 5, "unlabeled_batch": 16}
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _compiled(teacher, units=(), eager=True, **choices):
    layers = [keras.layers.Dense(n, activation="relu") for n in units]
    keras.utils.set_random_seed(1)
    classifier = keras.Sequential(
        [keras.Input((4,)), *layers, keras.layers.Dense(3)]
    )
    model = tpl.PseudoLabelModel(classifier, teacher=teacher, **choices)
    model.compile(keras.optimizers.Adam(0.05), LOSS, run_eagerly=eager)
    return model


def _fit(rounds, y=Y, epochs=EPOCHS, x=X, **kwargs):
    return rounds.fit(x, y, epochs=epochs, verbose=0, **BATCHES, **kwargs)


def _normalizing(teacher):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    classifier = keras.Sequential([keras.Input((4,)), *layers])
    model = tpl.PseudoLabelModel(classifier, teacher=teacher)
    model.compile(
        keras.optimizers.SGD(0.3, momentum=0.9), LOSS, run_eagerly=True
    )
    return model


def _traced(teacher):
    return _compiled(teacher, eager=False)


@pytest.mark.parametrize("build", [_traced, _normalizing])
def test_rounds_are_the_computation_of_one_fit(build):
    """Optimizer state, batches, batch statistics: on the last weights."""
    rounds = tpl.SelfTraining(build, share=(1.0, 1.0), alpha=0.7)
    ours = _fit(rounds).classifier

    model = build(tpl.Lagged(every=EPOCHS))
    ramp = tpl.LinearRamp(t1=EPOCHS, t2=EPOCHS, alpha_f=0.7)
    model.fit(
        tpl.from_arrays(X, Y, **BATCHES),
        epochs=3 * EPOCHS,
        verbose=0,
        callbacks=[
            tpl.AlphaScheduler(ramp),
            tpl.StartOver(every=EPOCHS, epochs=3 * EPOCHS),
        ],
    )
    theirs = model.classifier
    first = build("inference").classifier.get_weights()
    for a, b, c in zip(
        ours.get_weights(), theirs.get_weights(), first, strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert np.abs(a - c).max() > 0.01


def test_rounds_tell_what_they_were_given():
    said = []

    def build(teacher):
        model = _compiled(teacher)
        if isinstance(teacher, tpl.Frozen):
            said.append(teacher.classifier(X[Y < 0]).numpy())
        return model

    rounds = tpl.SelfTraining(build, share=(0.3, 1.0), threshold=0.4)
    trained = _fit(rounds, hidden=TRUE)

    np.testing.assert_array_equal(trained.rows, np.flatnonzero(Y < 0))
    first, second, third = trained.rounds
    assert (first.labels == -1).all() and not first.kept.any()
    assert np.isnan(first.accuracy)
    given = zip((second, third), said, (0.3, 1.0), strict=True)
    for one, scores, share in given:
        p = tf.nn.softmax(scores).numpy()
        np.testing.assert_array_equal(one.labels, p.argmax(1))
        np.testing.assert_allclose(one.confidence, p.max(1), rtol=1e-5)
        for label in range(3):
            of_class = np.sort(one.confidence[one.labels == label])[::-1]
            best = of_class[: int(np.ceil(share * len(of_class)))]
            kept = np.sort(one.confidence[one.kept & (one.labels == label)])
            np.testing.assert_array_equal(kept[::-1], best[best >= 0.4])
        right = one.labels[one.kept] == TRUE[Y < 0][one.kept]
        assert one.accuracy == pytest.approx(right.mean())
    assert not second.flipped.any()
    np.testing.assert_array_equal(third.flipped, third.labels != second.labels)
    assert len(third.history["loss"]) == EPOCHS


def test_the_average_teaches_and_comes_out(tmp_path):
    models, said = [], []

    def build(teacher):
        if isinstance(teacher, tpl.Frozen):
            said.append(teacher.classifier(X).numpy())
        models.append(_compiled(teacher, average=tpl.Averaged(0.9)))
        return models[-1]

    rounds = tpl.SelfTraining(build, share=1.0)
    ours = _fit(rounds, directory=tmp_path).classifier(X)
    count = len(models)
    again = _fit(rounds, directory=tmp_path).classifier(X)

    taught, last = (m.averaged.label(m.classifier, X) for m in models[:count])
    np.testing.assert_allclose(said[0], taught, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours, last, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(again, ours, rtol=1e-5, atol=1e-6)


def test_epochs_have_as_many_updates_however_few_rows_are_kept():
    updates = []

    def build(teacher):
        model = _compiled(teacher)
        updates.append(model.optimizer)
        return model

    _fit(tpl.SelfTraining(build, share=0.1))
    unlabeled = (Y < 0).sum()
    steps = -(-unlabeled // BATCHES["unlabeled_batch"])
    assert [int(o.iterations) for o in updates] == [EPOCHS * steps] * 2


def test_rows_that_are_not_kept_are_not_trained_on():
    """Whatever they hold."""
    found = []
    for other in (0.0, 5.0):
        x = X.copy()

        def build(teacher, x=x, other=other):
            if isinstance(teacher, tpl.Frozen):
                teacher.label = lambda classifier, inputs: tf.where(
                    tf.abs(inputs[:, :1]) < 9, [[9.0, 0.0, 0.0]], [[1.0, 0, 0]]
                )
            return _compiled(teacher)

        x[-10:] = 10.0 + other
        rounds = tpl.SelfTraining(build, share=0.5)
        y = Y.copy()
        y[-10:] = -1
        trained = rounds.fit(x, y, epochs=2, verbose=0, **BATCHES)
        assert not trained.rounds[1].kept[-10:].any()
        found.append(trained.classifier.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_student_may_be_a_larger_network():
    rounds = tpl.SelfTraining(
        _compiled, lambda teacher: _compiled(teacher, units=(8,)), share=(1, 1)
    )
    assert _fit(rounds).classifier.count_params() == 4 * 8 + 8 + 8 * 3 + 3


def test_students_begin_with_the_teachers_weights():
    """Without an update, they are the teacher."""
    rounds = tpl.SelfTraining(_compiled, share=1, start="teacher")
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append(look.model.classifier(X)),
        on_train_end=lambda logs: seen.append(look.model.classifier(X)),
    )
    _fit(rounds, callbacks=[look])
    np.testing.assert_array_equal(seen[1], seen[2])

    rounds = tpl.SelfTraining(
        _compiled,
        lambda teacher: _compiled(teacher, (5,)),
        share=1,
        start="teacher",
    )
    with pytest.raises(ValueError, match="weights of other shapes"):
        _fit(rounds)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("last", [pytest.param(4, marks=pytest.mark.slow), 8])
def test_killed_rounds_end_as_if_they_had_not_been(last, tmp_path):
    """Between rounds, and within: there Keras' own callback goes on."""
    whole = _fit(tpl.SelfTraining(_compiled, share=(0.5, 1.0)), epochs=3)
    epochs = []

    def killed(epoch, logs):
        epochs.append(epoch)
        if len(epochs) == last:
            raise KilledError

    def again(**kwargs):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        kill = keras.callbacks.LambdaCallback(on_epoch_begin=killed)
        return _fit(
            tpl.SelfTraining(_compiled, share=(0.5, 1.0)),
            epochs=3,
            callbacks=[backup, kill],
            directory=tmp_path / "rounds",
            **kwargs,
        )

    with pytest.raises(KilledError):
        again()
    found = again()
    assert len(epochs) == 10  # One of nine was begun twice.
    for a, b in zip(
        found.classifier.get_weights(),
        whole.classifier.get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for a, b in zip(found.rounds, whole.rounds, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
        np.testing.assert_array_equal(a.kept, b.kept)
    again()
    assert len(epochs) == 10
    with pytest.raises(ValueError, match="differs in labels"):
        again(y=np.where(np.arange(ROWS) < 20, TRUE, -1))
    with pytest.raises(ValueError, match="differs in inputs"):
        again(x=-X)
    with pytest.raises(ValueError, match="differs in sample_weight"):
        again(sample_weight=np.ones(ROWS))


def test_names_and_one_output():
    """A binary classifier's labels are one per row, too; `hidden` by name."""
    names = np.array(["no", "yes"])[np.int64(X[:, 0] > 0)]
    y = np.where(np.arange(ROWS) < 20, names, "")

    def build(teacher):
        classifier = keras.Sequential([keras.layers.Dense(1, "sigmoid")])
        model = tpl.PseudoLabelModel(classifier, teacher=teacher)
        model.compile(
            keras.optimizers.Adam(0.1), "binary_crossentropy", run_eagerly=True
        )
        return model

    rounds = tpl.SelfTraining(build, share=(0.5, 1))
    trained = _fit(rounds, y, epochs=20, hidden=names)
    assert trained.class_names == ["no", "yes"]
    assert set(trained.rounds[2].labels) == {0, 1}
    assert trained.rounds[2].accuracy > 0.8


def test_one_value_per_class_and_soft_labels():
    y = np.eye(3, dtype="float32")[Y] * (Y >= 0)[:, None]

    def build(teacher):
        model = _compiled(teacher, target="soft")
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, run_eagerly=True)
        return model

    trained = _fit(tpl.SelfTraining(build, share=1), y)
    assert trained.rounds[1].kept.all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"share": ()}, "one for each round"),
        ({"share": (0.5, 1.5)}, "at most 1"),
        ({"threshold": 1.5}, "in .0, 1.; got 1.5"),
        ({"start": "over"}, "one of scratch, teacher; got 'over'"),
        ({"alpha": 0}, "above 0; got 0"),
    ],
)
def test_settings_that_are_none(changed, message):
    with pytest.raises(ValueError, match=message):
        tpl.SelfTraining(_compiled, **changed)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda teacher: _compiled(teacher).classifier, "compiled Pseudo"),
        (lambda teacher: tpl.PseudoLabelModel(keras.Sequential()), "compiled"),
        (lambda teacher: _compiled("inference"), "its teacher"),
    ],
)
def test_models_that_are_none(build, message):
    with pytest.raises(ValueError, match=message):
        _fit(tpl.SelfTraining(build, share=1))


def test_rounds_keep_rows():
    with pytest.raises(ValueError, match="Round 2 must keep some rows; got no"):
        _fit(tpl.SelfTraining(_compiled, threshold=1.0))


def test_hidden_names_may_be_bytes_and_are_names():
    names = np.array([b"a", b"b", b"c"])[TRUE]
    y = [
        str(n.decode()) if known >= 0 else None
        for n, known in zip(names, Y, strict=True)
    ]
    accuracies = []
    for hidden in (names, names.astype(str), TRUE):
        given = Y if hidden is TRUE else y
        found = _fit(
            tpl.SelfTraining(_compiled, share=1.0), y=given, hidden=hidden
        )
        accuracies.append([this.accuracy for this in found.rounds[1:]])

    assert accuracies[0] == accuracies[1] == accuracies[2]
    with pytest.raises(ValueError, match="hold names as `y` has them"):
        _fit(tpl.SelfTraining(_compiled), y=y, hidden=TRUE)


def test_hidden_labels_are_of_all_rows():
    with pytest.raises(ValueError, match=r"`hidden`.*got int64 \(9,\)"):
        _fit(tpl.SelfTraining(_compiled), hidden=TRUE[:9])


def test_rows_with_several_labels_are_refused():
    x, y = X[:, :, None], np.repeat(Y[:, None], 4, axis=1)

    def build(teacher):
        classifier = keras.Sequential([keras.layers.Dense(3)])
        model = tpl.PseudoLabelModel(classifier, teacher=teacher)
        model.compile("sgd", LOSS)
        return model

    with pytest.raises(ValueError, match="StartOver"):
        tpl.SelfTraining(build).fit(x, y, verbose=0)


def test_the_surest_of_every_class():
    labels = np.array([0, 1, 1, 0, 1, 1])
    confidence = np.array([0.4, 0.9, 0.8, 0.3, 0.9, 0.9])
    kept = surest(labels, confidence, 0.5)
    np.testing.assert_array_equal(kept, [1, 1, 0, 0, 1, 0])
    assert surest(np.zeros(30, int), np.ones(30), 0.1).sum() == 3


def test_the_directory_is_read_by_people(tmp_path):
    _fit(tpl.SelfTraining(_compiled, share=1), directory=tmp_path)
    told = json.loads((tmp_path / "self_training.json").read_text())
    assert told["share"] == [1]
    assert sorted(path.name for path in tmp_path.glob("round-*")) == [
        *("round-1.json", "round-1.weights.h5"),
        *("round-2.json", "round-2.weights.h5"),
    ]


def test_a_round_whose_metric_is_an_array_is_kept(tmp_path):
    """As F1Score's is, by default one number for each class."""

    def build(teacher):
        model = tpl.PseudoLabelModel(linear(classes=2), teacher=teacher)
        model.compile(
            "sgd",
            keras.losses.CategoricalCrossentropy(from_logits=True),
            metrics=[keras.metrics.F1Score()],
        )
        return model

    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    y = np.eye(2, dtype="float32")[(x[:, 0] > 0).astype(int)]
    y[10:] = 0
    rounds = tpl.SelfTraining(build, share=(1.0,))
    first, again = (
        rounds.fit(x, y, directory=tmp_path, verbose=0).rounds for _ in "12"
    )

    for one, other in zip(first, again, strict=True):
        np.testing.assert_allclose(
            one.history["f1_score"], other.history["f1_score"], rtol=1e-6
        )


def test_a_directory_of_another_network_is_one_line(tmp_path):
    def build_of(features):
        def build(teacher):
            keras.utils.set_random_seed(0)
            classifier = keras.Sequential(
                [keras.Input((4,)), *map(keras.layers.Dense, features)]
            )
            model = tpl.PseudoLabelModel(classifier, teacher=teacher)
            model.compile(
                "sgd",
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            )
            return model

        return build

    x = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    y = np.where(np.arange(20) < 8, np.arange(20) % 2, -1)
    tpl.SelfTraining(build_of([2]), share=(1.0,)).fit(
        x, y, directory=tmp_path, verbose=0
    )
    with pytest.raises(ValueError, match="the weights of another network than"):
        tpl.SelfTraining(build_of([5, 2]), share=(1.0,)).fit(
            x, y, directory=tmp_path, verbose=0
        )


class _Bare:
    """A loss that has no config."""

    def __call__(self, y, scores):
        return keras.ops.sum(scores)


@pytest.mark.parametrize(
    "other",
    [
        {"optimizer": keras.optimizers.SGD(0.2)},
        {"loss": keras.losses.CategoricalFocalCrossentropy(from_logits=True)},
        {"metrics": ["accuracy"]},
    ],
    ids=["rate", "loss", "metrics"],
)
def test_a_directory_of_another_compile_is_one_line(other, tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    y = np.eye(2, dtype="float32")[np.arange(20) % 2]
    y[8:] = 0

    def trained(**given):
        def build(teacher):
            model = tpl.PseudoLabelModel(linear(classes=2), teacher=teacher)
            model.compile(
                **{
                    "optimizer": keras.optimizers.SGD(0.1),
                    "loss": keras.losses.CategoricalCrossentropy(
                        from_logits=True
                    ),
                    **given,
                }
            )
            return model

        rounds = tpl.SelfTraining(build, share=(1.0,))
        return rounds.fit(x, y, directory=tmp_path, verbose=0)

    trained()
    trained()
    with pytest.raises(ValueError, match=r"differs in compile\(\) of round 1"):
        trained(**other)


def test_rounds_that_do_not_say_of_what_they_are_are_refused(tmp_path):
    """Those of another version, say."""
    rounds = tpl.SelfTraining(_compiled, share=1)
    _fit(rounds, directory=tmp_path)
    file = tmp_path / "self_training.json"
    told = json.loads(file.read_text())
    for name in ("sample_weight", "compile() of round 2"):
        lacking = {k: x for k, x in told.items() if k != name}
        file.write_text(json.dumps(lacking))

        with pytest.raises(ValueError, match="differs in ") as caught:
            _fit(rounds, directory=tmp_path)

        assert f"differs in {name}." in str(caught.value)


@pytest.mark.parametrize(
    "loss",
    [lambda y, scores: keras.ops.sum(scores), _Bare()],
    ids=["lambda", "object"],
)
def test_rounds_of_a_loss_without_a_config_go_on(loss, tmp_path):
    def build(teacher):
        model = tpl.PseudoLabelModel(
            linear(), teacher=teacher, unlabeled_loss=LOSS
        )
        model.compile("sgd", loss)
        return model

    rounds = tpl.SelfTraining(build, share=(1.0,))

    one, other = (_fit(rounds, directory=tmp_path).classifier for _ in "12")

    for mine, its in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_scheduler_of_alpha_is_refused():
    """It would train the first round on pseudo-labels."""
    scheduler = tpl.AlphaScheduler(tpl.Constant(1.0))
    for callbacks in (scheduler, [scheduler]):
        with pytest.raises(ValueError, match=r"give SelfTraining\(alpha=...\)"):
            tpl.SelfTraining(None).fit([[0.0]], [0], callbacks=callbacks)
