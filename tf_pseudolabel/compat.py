"""Every touch of a private name of Keras or TensorFlow.

Each says what it is for and what happens without it. Tested on Keras 3.12 (the
oldest that `setup.py` admits) and 3.15, TensorFlow 2.21; `tests/compat_test.py`
fails where one has vanished or changed.
"""

import re

import keras
import tensorflow as tf


def mask_of(tensor):
    """The Keras mask of a tensor: which positions count.

    `_keras_mask`: Keras has no public reader. Without it nothing is masked.

    Args:
        tensor: What a layer returned.

    Returns:
        A bool tensor `(batch, ...)`, or None.
    """
    return getattr(tensor, "_keras_mask", None)


def logits_behind(scores):
    """The logits that an output activation was applied to.

    `_keras_logits`, which `keras.activations.softmax` and `sigmoid` leave on
    what they return, and the operation's type in a graph: by these Keras' own
    losses see that scores are probabilities already. Without them the loss's
    `from_logits` decides.

    Args:
        scores: A tensor that a classifier returned.

    Returns:
        A tensor like `scores`; None if no activation is known.
    """
    logits = getattr(scores, "_keras_logits", None)
    if logits is None and tf.inside_function() and hasattr(scores, "op"):
        operation = scores.op
        if operation.type in ("Softmax", "Sigmoid"):
            logits = operation.inputs[0]
    return logits


def with_known(scores, mask, logits):
    """Gives scores what Keras' losses and metrics look for on them.

    `_keras_mask` and `_keras_logits`, as above.

    Args:
        scores: A tensor, changed in place.
        mask: A bool tensor `(batch, ...)`, or None.
        logits: A tensor like `scores`, or None.

    Returns:
        The scores.
    """
    if mask is not None:
        scores._keras_mask = mask
    if logits is not None:
        scores._keras_logits = logits
    return scores


def known_of(scores):
    """What `with_known` gives scores: `mask_of` and `logits_behind` them."""
    return mask_of(scores), logits_behind(scores)


def layers_in(model):
    """All layers inside of a model, however deep.

    `_flatten_layers`: the public `layers` has the direct ones alone. Without it
    layers inside of layers that are no models are missed.

    Args:
        model: A `keras.Model`.

    Returns:
        A list of layers.
    """
    return list(model._flatten_layers())


def moving_statistics(classifier):
    """The variables that batch normalization moves by what it sees.

    Args:
        classifier: A `keras.Model`.

    Returns:
        A list of Keras variables.
    """
    return [
        variable
        for layer in layers_in(classifier)
        if isinstance(layer, keras.layers.BatchNormalization)
        for variable in layer.non_trainable_variables
    ]


def synchronizes(classifier):
    """Whether a model has synchronized batch normalization.

    Args:
        classifier: A `keras.Model`.

    Returns:
        A bool.
    """
    return any(
        isinstance(layer, keras.layers.BatchNormalization)
        and layer.synchronized
        for layer in layers_in(classifier)
    )


def loss_tracker_of(model):
    """The metric `loss` of a compiled model, which Keras' own steps update.

    `_loss_tracker`: no public name; there is no way to log the loss without.

    Args:
        model: A compiled `keras.Model`.

    Returns:
        A `keras.metrics.Mean`.
    """
    return model._loss_tracker


def build_compiled(model, batch):
    """Makes the variables of the compiled loss, metrics and optimizer.

    `_compile_metrics`, `_compile_loss`, `_symbolic_build`: replicas cannot make
    variables inside of a step, and checkpoints restore before the first one.
    Where there are no replicas, to have metrics made from the forms alone
    spares a trace; those that wait for their first batch make their variables
    in the first step, as ever in Keras.

    Args:
        model: A compiled `keras.Model`, built.
        batch: Inputs, labels and perhaps sample weights: `KerasTensor`s.
    """
    if model.distribute_strategy.num_replicas_in_sync > 1:
        model._symbolic_build(data_batch=batch)
        return
    scores = None
    for compiled in (model._compile_metrics, model._compile_loss):
        if compiled is not None and not compiled.built:
            scores = model.classifier(batch[0]) if scores is None else scores
            compiled.build(batch[1], scores)
    model.optimizer.build(model.trainable_variables)


def first_batch(iterator, strategy):
    """The first batch that Keras' iterator over an epoch would yield.

    Args:
        iterator: Keras' `TFEpochIterator`: of `(begin, end, batches)`.
        strategy: The `tf.distribute.Strategy` that its batches are spread over.

    Returns:
        What the first local replica gets of it.
    """
    _, _, batches = next(iter(iterator))
    return tf.nest.map_structure(
        lambda value: strategy.experimental_local_results(value)[0],
        next(batches),
    )


def merged_from(dataset, attribute):
    """The dataset with an attribute that another one was made from.

    `_inputs()`: what `map`, `prefetch` and their like were called on. Without
    it a run that goes on in a new process begins with the first labels again.

    Args:
        dataset: A `tf.data.Dataset`.
        attribute: Name of the attribute.

    Returns:
        The attribute's value, or None.
    """
    while dataset is not None:
        if hasattr(dataset, attribute):
            return getattr(dataset, attribute)
        inputs = dataset._inputs() if hasattr(dataset, "_inputs") else ()
        dataset = inputs[0] if len(inputs) == 1 else None
    return None


def every_nth_file(stream, context):
    """Every n-th input file of a dataset: what `AutoShardPolicy.FILE` does.

    `AutoShardDataset`: the rewriting that TensorFlow applies to datasets it
    distributes itself; there is no public function.

    Args:
        stream: A `tf.data.Dataset` that reads files.
        context: A `tf.distribute.InputContext`.

    Returns:
        A `tf.data.Dataset` with the same element spec.
    """
    specs = tf.nest.flatten(stream.element_spec)
    return tf.data.experimental.from_variant(
        tf.raw_ops.AutoShardDataset(
            input_dataset=tf.data.experimental.to_variant(stream),
            num_workers=context.num_input_pipelines,
            index=context.input_pipeline_id,
            auto_shard_policy=tf.data.experimental.AutoShardPolicy.FILE.value,
            num_replicas=context.num_replicas_in_sync,
            output_types=[spec.dtype for spec in specs],
            output_shapes=[spec.shape for spec in specs],
        ),
        stream.element_spec,
    )


def momentum_step(variable, step, gradient, rate, momentum):
    """`step = momentum · step - rate · gradient; variable += step`.

    `ResourceApplyKerasMomentum`: in one pass over memory. As separate
    operations it takes twice as long, a good part of an update of a wide layer.

    Args:
        variable: A `tf.Variable`.
        step: A `tf.Variable` like it.
        gradient: A tensor like it.
        rate: Scalar.
        momentum: Scalar.
    """
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle,
        accum=step.handle,
        lr=rate,
        grad=gradient,
        momentum=momentum,
    )


def told(error):
    """What an exception of Keras or TensorFlow says, in one line.

    Keras puts a line of its own before the reason, and colours it. Without this
    its first line is told.

    Args:
        error: An exception.

    Returns:
        A string.
    """
    text = re.sub(r"\x1b\[\d+m", "", str(error))
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered"):
        del lines[0]
    return lines[0] if lines else type(error).__name__
