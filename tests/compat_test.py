"""One test for every private name that the library touches.

Each fails when its name is gone, and when it no longer means what it did. They
run on the oldest Keras that `setup.py` admits, too: `bin/test --oldest`.
"""

import ast
import os
import pathlib
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel import compat
from tf_pseudolabel.distribution import strategies
from tf_pseudolabel.streams import merging

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOUCHED = set()


def touches(*names):
    """Says which private names a test would miss."""
    TOUCHED.update(names)
    return lambda test: test


def private_names(source):
    """The names with a leading underscore that are none of the module's own."""
    tree = ast.parse(source)
    methods = {
        item.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef)
    }
    used = {
        node.attr if isinstance(node, ast.Attribute) else node.value
        for node in ast.walk(tree)
        if isinstance(node, (ast.Attribute, ast.Constant))
    }
    return {
        name for name in methods | used if re.fullmatch(r"_[a-z]\w*", str(name))
    }


def test_every_private_name_has_its_test_and_its_versions():
    source = pathlib.Path(compat.__file__).read_text(encoding="utf-8")
    names = private_names(source)

    assert {"_keras_mask", "_inputs", "_symbolic_build"} <= names <= TOUCHED
    described = " ".join(
        ast.get_docstring(node) or ""
        for node in ast.parse(source).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    )
    assert [name for name in TOUCHED if f"`{name}" not in described] == []


def test_the_versions_are_those_that_setup_py_admits():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert '"keras>=3.12,<3.16"' in setup
    assert '"tensorflow>=2.21,<2.22"' in setup
    for thing in vars(compat).values():
        text = getattr(thing, "__doc__", None) or ""
        if getattr(thing, "__module__", None) == compat.__name__:
            for first, last in re.findall(r"(3\.\d+)\s+to\s+(3\.\d+)", text):
                assert (first, last) == ("3.12", "3.15"), thing


def test_the_oldest_keras_is_under_test_where_it_should_be():
    wanted = os.environ.get("TF_PSEUDOLABEL_KERAS", keras.__version__)
    assert f"{keras.__version__}.".startswith(f"{wanted}.")


# Masks.


MASK = np.array([[True, True, False], [True, False, False]])


@touches("_keras_mask")
def test_a_layers_mask_is_read_from_what_it_returns():
    ids = tf.constant([[3, 1, 0], [2, 0, 0]])
    embedded = keras.layers.Embedding(4, 2, mask_zero=True)(ids)
    scores = keras.layers.Dense(5)(embedded)

    np.testing.assert_array_equal(compat.mask_of(scores), MASK)
    assert compat.mask_of(tf.zeros([2])) is None


@touches("_keras_mask")
def test_keras_counts_only_what_a_mask_leaves():
    scores = tf.random.stateless_uniform([2, 3, 4], [1, 2])
    labels = tf.constant([[0, 1, 2], [3, 0, 1]])
    mask = tf.constant(MASK)

    def marked():
        return compat.with_known(tf.identity(scores), mask, None)

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rows = keras.ops.sparse_categorical_crossentropy(
        labels, scores, from_logits=True
    )
    np.testing.assert_allclose(
        loss(labels, marked()), np.mean(rows.numpy()[MASK]), rtol=1e-6
    )
    metric = keras.metrics.SparseCategoricalAccuracy()
    metric.update_state(labels, marked())
    right = np.argmax(scores, axis=-1) == labels.numpy()
    np.testing.assert_allclose(metric.result(), right[MASK].mean())


# Logits.


@touches("_keras_logits")
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("in_graph", [False, True])
def test_the_logits_behind_an_activation_are_found(activation, in_graph):
    logits = tf.constant([[1.0, -2.0, 40.0]])
    activate = keras.activations.get(activation)

    def behind(logits):
        return compat.logits_behind(activate(logits))

    found = (tf.function(behind) if in_graph else behind)(logits)
    np.testing.assert_array_equal(found, logits)
    assert compat.logits_behind(logits) is None


def test_an_activation_of_tensorflows_own_is_known_in_a_graph():
    """By the operation's type, as Keras' losses have it."""
    logits = tf.constant([[1.0, -2.0, 40.0]])

    @tf.function
    def behind(logits):
        return compat.logits_behind(tf.nn.softmax(logits))

    np.testing.assert_array_equal(behind(logits), logits)


@touches("_keras_logits")
@pytest.mark.parametrize("in_graph", [False, True])
def test_keras_takes_the_logits_behind_scores(in_graph):
    """Else the loss of a probability that was rounded to 0 is clipped."""
    logits = tf.constant([[0.0, 200.0]])
    loss = keras.losses.SparseCategoricalCrossentropy()

    def of(logits):
        scores = tf.nn.softmax(logits)[:1]
        return loss(tf.constant([0]), compat.with_known(scores, None, logits))

    value = (tf.function(of) if in_graph else of)(logits)
    np.testing.assert_allclose(value, 200.0)


# Layers.


class Wrapping(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = keras.layers.BatchNormalization()

    def call(self, x):
        return self.inner(x)


@touches("_flatten_layers")
def test_layers_inside_of_layers_are_found():
    inner = Wrapping()
    nested = keras.Sequential([keras.Input((2,)), inner])
    model = keras.Sequential([keras.Input((2,)), nested])
    found = compat.layers_in(model)

    assert {id(model), id(nested), id(inner), id(inner.inner)} <= set(
        map(id, found)
    )
    assert len(compat.moving_statistics(model)) == 2


def test_layers_are_found_by_public_names_alone():
    class Of:
        def __init__(self, *layers):
            self.layers = layers

    leaf = object()
    inside = Of(leaf)
    outside = Of(inside)
    assert compat.layers_in(outside) == [outside, inside, leaf]


@touches("_trainable_variables")
def test_weights_of_frozen_layers_are_among_the_trainable_ones():
    layers = [Wrapping(), keras.layers.Dense(2), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    trainable = list(model.trainable_weights)
    assert compat.trainable_in(model) == trainable and len(trainable) == 6

    for layer in layers[:2]:
        layer.trainable = False

    assert len(model.trainable_weights) == 2
    assert list(map(id, compat.trainable_in(model))) == [*map(id, trainable)]


# What Keras builds before the first step.


def data(rows=6, batch=2):
    x = np.arange(rows, dtype="float32")[:, np.newaxis] / rows
    return tf.data.Dataset.from_tensor_slices((x, np.arange(rows) % 2)).batch(
        batch
    )


def classifier():
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Hooked(compat.TrainerHooks, keras.Model):
    """Records what the hooks were given, and when."""

    def __init__(self):
        super().__init__()
        self.classifier = classifier()
        self.built = True
        self.seen, self.batches, self.logs = [], [], None
        self.chosen = None

    def call(self, x):
        self.seen.append("call")
        return self.classifier(x)

    def batch_to_build_from(self, iterator, batch):
        self.seen.append("build")
        if iterator is not None:
            strategy = self.distribute_strategy
            self.batches.append(compat.first_batch(iterator, strategy))
        return self.chosen or super().batch_to_build_from(iterator, batch)

    def logs_of_epoch(self):
        return self.logs


def hooked(**given):
    model = Hooked()
    model.compile("sgd", LOSS, metrics=["accuracy"])
    for name, value in given.items():
        setattr(model, name, value)
    return model


FORMS = (keras.KerasTensor((None, 1)), keras.KerasTensor((None,), "int64"))


@touches("_maybe_symbolic_build")
@pytest.mark.parametrize("chosen", [None, FORMS])
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_keras_asks_what_to_build_from_before_it_traces(chosen, method):
    model = hooked(chosen=chosen)
    verb = getattr(model, method)
    verb(data(), verbose=0)

    assert model.seen[0] == "build"
    # Its iterator was not used up by looking at the first batch.
    np.testing.assert_allclose(model.batches[0][0], [[0.0], [1 / 6]])
    assert "call" in model.seen
    assert all(m.variables for m in model.metrics)


def test_the_first_batch_is_not_lost_to_training():
    model = hooked()
    updates = model.fit(data(), epochs=2, verbose=0).history["loss"]
    assert (len(updates), int(model.optimizer.iterations)) == (2, 6)


@touches("_maybe_symbolic_build")
def test_a_batch_given_by_hand_is_built_from():
    model = hooked()
    model.test_on_batch(np.zeros([2, 1]), np.zeros([2]))
    assert model.seen[0] == "build"
    assert model.batches == []


@touches("_get_metrics_result_or_logs")
def test_the_logs_of_an_epoch_are_the_models_choice():
    ours = hooked(logs={"loss": 7.0})
    keras_own = hooked()

    assert ours.fit(data(), verbose=0).history == {"loss": [7.0]}
    assert ours.evaluate(data(), verbose=0, return_dict=True) == {"loss": 7.0}
    assert keras_own.fit(data(), verbose=0).history.keys() == {
        "loss",
        "accuracy",
    }


@touches("_compile_metrics", "_compile_loss")
def test_metrics_and_loss_are_built_from_forms_alone():
    model = hooked()
    before = len(model.metrics_variables)
    compat.build_compiled(model, FORMS)

    assert "call" not in model.seen
    assert model._compile_metrics.built
    assert model._compile_loss.built
    assert len(model.metrics_variables) == before + 2
    assert model.optimizer.built
    built = [id(variable) for variable in model.variables]
    model.fit(data(), verbose=0)
    assert [id(variable) for variable in model.variables] == built


def test_without_private_names_the_first_step_builds():
    class Bare:
        distribute_strategy = tf.distribute.get_strategy()
        optimizer = keras.optimizers.SGD()
        trainable_variables = ()

    compat.build_compiled(Bare(), FORMS)
    assert Bare.optimizer.built


@touches("_symbolic_build")
def test_replicas_have_all_variables_before_their_first_step(two_replicas):
    with two_replicas.scope():
        model = hooked(chosen=FORMS)
    before = len(model.metrics_variables)
    compat.build_compiled(model, FORMS)

    assert len(model.metrics_variables) == before + 2
    assert model.optimizer.built
    model.fit(data(8, 4), verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 2


# Datasets.


@touches("_inputs")
def test_merged_streams_are_found_through_what_was_made_of_them():
    merged = data()
    merged.mark = "found"
    made = (
        merged.map(lambda x, y: (x, y))
        .prefetch(1)
        .unbatch()
        .batch(3)
        .filter(lambda x, y: True)
        .take(1)
        .with_options(tf.data.Options())
        .repeat()
    )

    assert compat.merged_from(made, "mark") == "found"
    assert compat.merged_from(data().concatenate(merged), "mark") is None
    assert compat.merged_from(data(), "mark") is None
    assert compat.merged_from(object(), "mark") is None


@touches("_inputs")
def test_a_mapped_stream_goes_on_where_the_training_was():
    unlabeled = data(8).map(lambda x, _: x)
    stream = tpl.merge_streams(data(6), unlabeled).prefetch(1)
    merging.go_on(stream, 4)

    # The labeled pass of three batches is in its second batch.
    batches = [x.numpy().tolist() for x, _ in data(6)]
    seen = [x.numpy().tolist() for (x, _), _ in stream]
    assert seen == [batches[i] for i in (1, 2, 0, 1)]


@pytest.mark.parametrize("machine", [0, 1])
def test_every_machine_reads_its_own_files(tmp_path, machine):
    """`AutoShardDataset`, a raw operation."""
    files = [tmp_path / f"{i}.txt" for i in range(4)]
    for file in files:
        file.write_text(file.stem)
    stream = tf.data.TextLineDataset([str(file) for file in files]).batch(1)
    context = tf.distribute.InputContext(
        num_input_pipelines=2, input_pipeline_id=machine
    )
    own = compat.every_nth_file(stream, context)

    assert [int(line) for (line,) in own] == [machine, machine + 2]
    assert own.element_spec == stream.element_spec


def test_a_spec_of_none_is_known():
    """`NoneTensorSpec`, a class without a public name."""
    x, y = tf.data.Dataset.from_tensors((1.0, None)).element_spec
    assert compat.is_none_spec(y)
    assert not compat.is_none_spec(x)
    assert not compat.is_none_spec(None)


# Optimizers.


@touches("_get_variable_index")
@pytest.mark.parametrize("replicas", [1, 2])
def test_each_weight_keeps_its_own_average(replicas, two_replicas):
    strategy = [tf.distribute.get_strategy(), two_replicas][replicas - 1]
    with strategy.scope():
        optimizer = tpl.ScheduledMomentum(learning_rate=1.0, momentum=0.5)
        weights = [keras.Variable([0.0]), keras.Variable([0.0])]
        optimizer.build(weights)

    def update():
        gradients = [tf.constant([g / replicas]) for g in (2.0, 8.0)]
        optimizer.apply_gradients(zip(gradients, weights, strict=True))

    for _ in range(2):
        strategy.run(update)
    # Steps of -g / 2 and of half of that less g / 2.
    assert [float(w[0]) for w in weights] == [-2.5, -10.0]


@pytest.mark.parametrize("make", [tf.Variable, keras.Variable])
def test_a_step_with_momentum_is_the_same_without_handles(make):
    """`ResourceApplyKerasMomentum` and `handle` against two assignments."""
    variable, step = make([1.0, 2.0]), make([0.5, -1.0])
    compat.momentum_step(
        variable, step, tf.constant([2.0, 4.0]), tf.constant(0.25), 0.5
    )
    np.testing.assert_array_equal(step, [-0.25, -1.5])
    np.testing.assert_array_equal(variable, [0.75, 0.5])


def test_weights_of_an_optimizer_are_numbered_as_it_was_built():
    """`_get_variable_index`: of a Keras variable and of what it wraps."""
    weights = [keras.Variable([1.0]), keras.Variable([2.0])]
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(weights)
    assert [compat.index_of(optimizer, w) for w in weights] == [0, 1]
    assert compat.index_of(optimizer, weights[1].value) == 1
    slots = optimizer.momentums
    assert compat.slot_of(optimizer, slots, weights[1]) is slots[1].value


# Messages.


def test_what_keras_says_is_told_in_one_line():
    layer = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError) as caught:
        layer.layers[0](tf.zeros([2, 4]))
    told = compat.told(caught.value)

    assert "incompatible" in told or "shape" in told
    assert "\n" not in told
    assert "\x1b" not in told


def test_keras_own_preface_is_left_out():
    class Broken(keras.layers.Layer):
        def call(self, x):
            raise ValueError("the reason")

    with pytest.raises(ValueError) as caught:
        Broken()(tf.zeros([2, 4]))
    assert str(caught.value).startswith("Exception encountered")
    assert compat.told(caught.value) == "the reason"
    assert compat.told(ValueError()) == "ValueError"


# Fits that the names above make possible.


def streams(alternating=False, masked=False):
    rng = np.random.default_rng(0)
    shape = (16, 5) if masked else (16, 3)
    x = rng.integers(0, 4, shape) if masked else rng.normal(size=shape)
    y = rng.integers(0, 2, shape if masked else shape[:1])
    labeled = tf.data.Dataset.from_tensor_slices((x[:8], y[:8])).batch(4)
    unlabeled = tf.data.Dataset.from_tensor_slices(x[8:]).batch(4)
    make = tpl.alternate_streams if alternating else tpl.merge_streams
    return make(labeled, unlabeled)


def tagger():
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int64"),
            keras.layers.Embedding(4, 3, mask_zero=True),
            keras.layers.Dense(2, "softmax"),
        ]
    )


def normalized():
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, "softmax"),
        ]
    )


def fitted(network, merged, strategy=None, compiled=(), **choices):
    keras.utils.set_random_seed(2)
    with (strategy or tf.distribute.get_strategy()).scope():
        model = tpl.PseudoLabelModel(network(), **choices)
        model.compile(
            tpl.ScheduledMomentum(0.1),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            **dict(compiled),
        )
    ramp = tpl.AlphaScheduler(tpl.LinearRamp(t1=1, t2=2, alpha_f=1.0))
    with warnings.catch_warnings():
        # Keras', whose words `fit` knows: of a distributed dataset's end.
        warnings.simplefilter("error", UserWarning)
        fit = model.fit(merged, epochs=3, callbacks=[ramp], verbose=0)
    history = fit.history
    assert np.isfinite(history["loss"]).all()
    assert {"accuracy", "labeled_loss", "unlabeled_loss", "alpha"} <= set(
        history
    )
    assert history["alpha"] == [0.0, 0.0, 1.0]
    assert history["unlabeled_loss"][0] == 0 < history["unlabeled_loss"][2]
    return model, history


@pytest.mark.parametrize(
    ("compiled", "alternating"),
    [
        ({}, False),
        ({}, True),
        ({"run_eagerly": True}, False),
        ({"steps_per_execution": 2}, True),
    ],
    ids=["merged", "alternating", "eagerly", "two_steps"],
)
def test_a_fit_from_end_to_end(compiled, alternating):
    model, history = fitted(normalized, streams(alternating), None, compiled)

    updates = 4 if alternating else 2
    # Those without unlabeled rows that count, too.
    assert int(model.optimizer.iterations) == 3 * updates
    assert len(history["loss"]) == 3


def test_a_fit_of_masked_positions():
    _, history = fitted(
        tagger, streams(masked=True), selection=tpl.Threshold(0.5)
    )
    # Epochs without pseudo-labels have none.
    (coverage,) = history["coverage"]
    assert 0 < coverage <= 1


@pytest.mark.parametrize("machines", [1, 2])
def test_a_fit_on_two_replicas(machines, two_replicas, monkeypatch):
    """Between machines a step logs one vector, and Keras builds from none."""
    monkeypatch.setattr(
        strategies,
        "is_multi_worker",
        lambda strategy: min(machines, strategy.num_replicas_in_sync) > 1,
    )
    alternating = machines == 1
    network = normalized if alternating else tagger
    merged = streams(alternating, masked=not alternating)
    model, _ = fitted(network, merged, two_replicas)
    labeled = tf.data.Dataset.from_tensors(
        (np.ones([4, 3]), np.ones([4]))
        if alternating
        else (np.ones([4, 5], int), np.ones([4, 5]))
    )
    result = model.evaluate(labeled, verbose=0, return_dict=True)
    assert result.keys() == {"loss", "accuracy"}


def test_a_model_comes_back_as_it_was(tmp_path):
    model, _ = fitted(normalized, streams(), teacher="lagged")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert loaded.optimizer.built
    for one, other in zip(
        loaded.optimizer.variables, model.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    x = np.ones([2, 3], "float32")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model(x))
    loaded.fit(streams(), verbose=0)


@touches("_iterator_resource")
def test_an_iterator_goes_on_with_another_dataset_where_it_is_held():
    numbers = tf.data.Dataset.range(9)
    iterator = iter(numbers.repeat())
    drawn = tf.data.Dataset.range(2).map(lambda _: iterator.get_next())
    assert [int(n) for n in drawn] == [0, 1]
    compat.begin_anew(iterator, numbers.skip(5))
    assert [int(n) for n in drawn] == [5, 6]


@touches("_exclude_from_weight_decay")
def test_what_is_left_out_of_weight_decay_is_handed_on():
    given = keras.optimizers.SGD(0.1, weight_decay=0.5)
    given.exclude_from_weight_decay(var_names=["bias"])
    other = keras.optimizers.SGD(0.1, weight_decay=0.5)

    assert compat.with_decay_of(given, other) is other

    weights = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
    other.apply([tf.zeros([1])] * 2, weights)
    assert [float(w[0]) for w in weights] == [pytest.approx(0.95), 1.0]


@pytest.mark.parametrize("seen", [False, True])
def test_an_activation_at_the_end_is_found_in_a_graph(seen):
    activation = tf.nn.softmax if seen else None
    network = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, activation)]
    )
    spec = tf.TensorSpec((None, 4))

    assert compat.end_of(network, spec) == ((None, 3), seen)
