"""Every touch of a private name of Keras or TensorFlow.

Each says what it is for, which versions it was tested on, first and last, and
what stands in for it: a public way where there is one. What `setup.py` admits
is Keras 3.12 to 3.15 with TensorFlow 2.21; `tests/compat_test.py` fails where a
name has vanished or changed, and `bin/test --oldest` runs it on Keras 3.12.
"""

import re

import keras
import tensorflow as tf


def mask_of(tensor):
    """The Keras mask of a tensor: which positions count.

    `_keras_mask` (Keras 3.12 to 3.15): Keras has no public reader. Without it
    nothing is masked.

    Args:
        tensor: What a layer returned.

    Returns:
        A bool tensor `(batch, ...)`, or None.
    """
    return getattr(tensor, "_keras_mask", None)


def logits_behind(scores):
    """The logits that an output activation was applied to.

    `_keras_logits` (Keras 3.12 to 3.15), which `keras.activations.softmax` and
    `sigmoid` leave on what they return, and the operation's type in a graph: by
    these Keras' own losses see that scores are probabilities already. Without
    them the loss's `from_logits` decides.

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


def end_of(network, specs):
    """What a network returns, and whether softmax or sigmoid made it.

    An activation of TensorFlow's own is seen in a graph alone, and so it is
    looked for there.

    Args:
        network: A built `keras.Model`.
        specs: Nested specs of a batch of its inputs.

    Returns:
        A pair: the shape of the scores, None if it returns no tensor; a bool.
    """
    found = []

    def traced(x):
        scores = network(x, training=False)
        if tf.is_tensor(scores):
            activated = logits_behind(scores) is not None
            found.append((tuple(scores.shape), activated))
        return scores

    specs = tf.nest.map_structure(
        lambda x: tf.TensorSpec(x.shape, x.dtype), specs
    )
    tf.function(traced, autograph=False).get_concrete_function(specs)
    return found[0] if found else (None, False)


def inputs_of(network):
    """Nested symbolic inputs of a model; None: it does not know them.

    Args:
        network: A `keras.Model`.
    """
    if isinstance(network, keras.Sequential):
        known = getattr(network, "inputs", None)
        return known[0] if known else None
    return getattr(network, "input", None)


def with_known(scores, mask, logits):
    """Gives scores what Keras' losses and metrics look for on them.

    `_keras_mask` and `_keras_logits` (Keras 3.12 to 3.15), as above: there is
    no public writer either.

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

    `_flatten_layers` (Keras 3.12 to 3.15). Without it the public `layers` is
    followed from model to model, and layers inside of other layers are missed.

    Args:
        model: A `keras.Model`.

    Returns:
        A list of layers, the model itself among them.
    """
    if hasattr(model, "_flatten_layers"):
        return list(model._flatten_layers())
    found = [model]
    for layer in found:
        found.extend(getattr(layer, "layers", ()))
    return found


def trainable_in(model):
    """The weights that a model trains where nothing of it is frozen.

    `_trainable_variables` (Keras 3.12 to 3.15). Without it those that it trains
    now.

    Args:
        model: A built `keras.Model`.

    Returns:
        A list of Keras variables, in the order of `model.weights`.
    """
    if not hasattr(model, "_trainable_variables"):
        return model.trainable_weights
    found = {
        id(variable)
        for layer in layers_in(model)
        for variable in layer._trainable_variables
    }
    return [weight for weight in model.weights if id(weight) in found]


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


class TrainerHooks:
    """What a model replaces in Keras' trainer; to stand before `keras.Model`.

    `_maybe_symbolic_build` and `_get_metrics_result_or_logs` (Keras 3.12 to
    3.15). Keras would take a pair of streams for `(x, y)`, cannot average
    batches over machines, and hands out the logs of an epoch's last step
    (keras#20585); no public method stands between. Without them `fit` fails at
    once.
    """

    def batch_to_build_from(self, iterator, batch):
        """Chooses the batch that loss, metrics and optimizer are built from.

        Args:
            iterator: Keras' iterator over an epoch, or None.
            batch: A batch that Keras was given instead, or None.

        Returns:
            Inputs, labels and perhaps sample weights; None to let Keras build
            from the iterator.
        """
        del iterator
        return batch

    def logs_of_epoch(self):
        """Returns the logs of an epoch; None to let Keras choose them."""
        return None

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds loss, metrics and optimizer before a step is traced."""
        batch = self.batch_to_build_from(iterator, data_batch)
        if batch is None:
            super()._maybe_symbolic_build(iterator)
        else:
            with self.distribute_strategy.scope():
                build_compiled(self, batch)

    def _get_metrics_result_or_logs(self, logs):
        """The logs of an epoch, whatever its last step logged."""
        whole = self.logs_of_epoch()
        if whole is not None:
            return whole
        return super()._get_metrics_result_or_logs(logs)


def build_compiled(model, batch):
    """Makes the variables of the compiled loss, metrics and optimizer.

    `_compile_metrics`, `_compile_loss`, `_symbolic_build` (Keras 3.12 to 3.15):
    replicas cannot make variables inside of a step, and checkpoints restore
    before the first one. Where there are no replicas, to have metrics made from
    the forms alone spares a trace; those that wait for their first batch make
    their variables in the first step, as ever in Keras, and so would all of
    them without these names.

    Args:
        model: A compiled `keras.Model`, built, with a `classifier`.
        batch: Inputs, labels and perhaps sample weights: `KerasTensor`s.
    """
    if model.distribute_strategy.num_replicas_in_sync > 1:
        model._symbolic_build(data_batch=batch)
        return
    scores = None
    for name in ("_compile_metrics", "_compile_loss"):
        compiled = getattr(model, name, None)
        if compiled is not None and not compiled.built:
            scores = model.classifier(batch[0]) if scores is None else scores
            compiled.build(batch[1], scores)
    model.optimizer.build(model.trainable_variables)


def first_batch(iterator, strategy):
    """The first batch that Keras' iterator over an epoch would yield.

    `TFEpochIterator` (Keras 3.12 to 3.15), a class without a public name or a
    described form; there is no other way to a batch that Keras distributed.

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

    `_inputs()` (TensorFlow 2.21): what `map`, `prefetch` and their like were
    called on. Without it a run that goes on in a new process begins with the
    first labels again.

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


def begin_anew(iterator, stream):
    """Has an iterator yield another dataset, for functions that hold it, too.

    `_iterator_resource`: functions that were traced hold the iterator's handle,
    and another iterator would not be theirs.

    Args:
        iterator: An iterator over a `tf.data.Dataset`.
        stream: A `tf.data.Dataset` with the same element spec.
    """
    tf.raw_ops.MakeIterator(
        dataset=tf.data.experimental.to_variant(stream),
        iterator=iterator._iterator_resource,
    )


def every_nth_file(stream, context):
    """Every n-th input file of a dataset: what `AutoShardPolicy.FILE` does.

    `AutoShardDataset` (TensorFlow 2.21), a raw operation without a description:
    the rewriting that TensorFlow applies to datasets it distributes itself;
    there is no public function.

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


def is_none_spec(spec):
    """Whether a spec in an `element_spec` stands for None.

    `NoneTensorSpec` (TensorFlow 2.21), known by its name: to make one, as a
    public way to its class, would start the devices.

    Args:
        spec: Nested specs or tensors.

    Returns:
        A bool.
    """
    return type(spec).__name__ == "NoneTensorSpec"


def index_of(optimizer, variable):
    """The place of a weight among those that an optimizer was built with.

    `_get_variable_index` (Keras 3.12 to 3.15), which the optimizers that come
    with Keras use, and no public method tells: what `update_step` is given may
    be a replica's part of a weight.

    Args:
        optimizer: A built `keras.optimizers.Optimizer`.
        variable: The weight, as `update_step` is given it.

    Returns:
        An int.
    """
    return optimizer._get_variable_index(variable)


def with_decay_of(optimizer, other):
    """Has an optimizer leave out of weight decay what another one does.

    `_exclude_from_weight_decay` and `_exclude_from_weight_decay_pattern` (Keras
    3.12 to 3.15), which `exclude_from_weight_decay` sets and no configuration
    tells.

    Args:
        optimizer: A `keras.optimizers.Optimizer`.
        other: One of the same kind, not built.

    Returns:
        `other`, changed in place.
    """
    for name, value in vars(optimizer).items():
        if name.startswith("_exclude_from_weight_decay"):
            setattr(other, name, value)
    return other


def slot_of(optimizer, slots, variable):
    """What `add_optimizer_variables` made for a weight.

    Args:
        optimizer: A built `keras.optimizers.Optimizer`.
        slots: What its `add_optimizer_variables` returned.
        variable: The weight, as `update_step` is given it.

    Returns:
        A `tf.Variable`.
    """
    return slots[index_of(optimizer, variable)].value


def momentum_step(variable, step, gradient, rate, momentum):
    """`step = momentum · step - rate · gradient; variable += step`.

    `ResourceApplyKerasMomentum` and `handle` (TensorFlow 2.21): in one pass
    over memory. Without handles the same in public operations, which take twice
    as long, a good part of an update of a wide layer.

    Args:
        variable: A `tf.Variable`.
        step: A `tf.Variable` like it.
        gradient: A tensor like it.
        rate: Scalar.
        momentum: Scalar.
    """
    if not (hasattr(variable, "handle") and hasattr(step, "handle")):
        step.assign(momentum * step - rate * gradient)
        variable.assign_add(step)
        return
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle,
        accum=step.handle,
        lr=rate,
        grad=gradient,
        momentum=momentum,
    )


def told(error):
    """What an exception of Keras or TensorFlow says, in one line.

    Keras (3.12 to 3.15) puts a line of its own before the reason, and colours
    it. Without this its first line is told.

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
