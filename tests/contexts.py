"""Updates by hand: models, batches and contexts of NumPy arrays, no `fit`."""

import keras
import numpy as np
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.streams import preparation
from tf_pseudolabel.update.batch import batches_of
from tf_pseudolabel.update.context import Beliefs, Context

CLASSES, ROWS, ROWS_U = 3, 8, 12
_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(ROWS, 4)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2, 2, 1])
X_U = _RNG.normal(size=(ROWS_U, 4)).astype("float32")
Y_U = _RNG.integers(CLASSES, size=ROWS_U)
WEIGHT = _RNG.uniform(0.5, 2.0, size=ROWS).astype("float32")
WEIGHT_U = _RNG.uniform(0.5, 2.0, size=ROWS_U).astype("float32")
ONE_HOT = np.eye(CLASSES, dtype="float32")


def softmax(logits):
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def entropy(p):
    """In nats; 0 log 0 is 0."""
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)


def linear(activation=None, classes=CLASSES, features=4):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((features,)), keras.layers.Dense(classes, activation)]
    )


def identity(*shape):
    """A network whose scores are its inputs."""
    return keras.Sequential([keras.Input(shape), keras.layers.Identity()])


def normalizing():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dense(CLASSES),
        ]
    )


def token_network(tokens=6, classes=CLASSES):
    """Scores by token, from a table; token 0 is padding."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int64"),
            keras.layers.Embedding(
                tokens,
                classes,
                mask_zero=True,
                embeddings_initializer=keras.initializers.RandomNormal(
                    stddev=2.0, seed=1
                ),
            ),
        ]
    )


def model_of(classifier=None, loss=None, rate=0.5, alpha=1.0, **choices):
    """A compiled model; by default of logits and class ids."""
    model = tpl.PseudoLabelModel(classifier or linear(), **choices)
    model.compile(
        keras.optimizers.SGD(rate),
        loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.alpha.assign(alpha)
    return model


def context_of(
    model, labeled=(X, Y), unlabeled=(X_U,), alpha=1.0, like=None, own=()
):
    """A context before its passes.

    Args:
        model: A compiled `PseudoLabelModel`.
        labeled, unlabeled: Elements of the streams, of arrays; None: without.
        alpha: Float.
        like: Labels whose form is taken; by default those of `labeled`.
        own: How many rows of each are not borrowed.
    """
    data = [
        None if part is None else tf.nest.map_structure(tf.constant, part)
        for part in (labeled, unlabeled)
    ]
    if own:
        data.append(tuple((tf.constant(n), 0, tf.constant(n)) for n in own))
    *batches, found, spare = batches_of(
        data, labeled is not None, unlabeled is not None
    )
    return Context(
        model.classifier,
        model.settled_method(),
        tf.constant(alpha),
        *batches,
        found if like is None else tf.constant(like),
        spare,
    )


def passed(model, *args, **kwargs):
    """A context after its passes."""
    context = context_of(model, *args, **kwargs)
    context.pass_labeled()
    context.pass_unlabeled()
    return context


def beliefs_of(probabilities, ids=None):
    """Beliefs of probabilities that nothing has aligned."""
    p = tf.constant(probabilities, tf.float32)
    found = tf.argmax(p, axis=-1) if ids is None else tf.constant(ids, tf.int64)
    return Beliefs(
        tf.math.log(tf.maximum(p, 1e-30)), p, p, found, tf.reduce_max(p, -1)
    )


def mean(term, context):
    """The mean of a term on one replica."""
    found = tf.math.divide_no_nan(*term.sums(context))
    return found if term.of_mean is None else term.of_mean(found)


def dataset(*arrays, batch=None):
    arrays = tuple(array for array in arrays if array is not None)
    return tf.data.Dataset.from_tensor_slices(
        arrays if len(arrays) > 1 else arrays[0]
    ).batch(batch or len(arrays[0]))


def streams(labeled=(X, Y), unlabeled=(X_U,), batch=None, batch_u=None):
    return tpl.merge_streams(
        dataset(*labeled, batch=batch), dataset(*unlabeled, batch=batch_u)
    )


def eager_updates(model, merged):
    """Trains on merged streams, update by update and without any trace.

    Returns:
        The last update's logs, floats.
    """
    ready = preparation.prepared(model, merged, None)
    model.statistics.shown = ready.shown
    model._unlogged = frozenset()  # As in `fit`.
    model.optimizer.build(model.trainable_variables)
    model.reset_metrics()
    for data in ready.dataset:
        logs = model.train_step(data)
    return {name: float(value) for name, value in logs.items()}
