"""The model whose `train_step` is Lee's equation 15."""

import warnings

import keras
import tensorflow as tf

from tf_pseudolabel import cluster, distribute, targets
from tf_pseudolabel.data import checks, streams
from tf_pseudolabel.teachers import TEACHERS

_unpack = keras.utils.unpack_x_y_sample_weight

# Logged beside the compiled metrics, and in training only.
_TRAINING_METRICS = frozenset(
    {"labeled_loss", "unlabeled_loss", "pseudo_label_accuracy"}
)


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class PseudoLabelModel(keras.Model):
    """Trains a classifier on labels and on its own pseudo-labels.

    `fit` takes the dataset that `merge_streams` or `alternate_streams` makes of
    a labeled and an unlabeled stream. Each update minimizes

        labeled loss + alpha · pseudo-label loss,

    each the compiled loss, averaged over its own batch (Lee, "Pseudo-Label",
    2013, equation 15). The pseudo-label of a row is the class with the largest
    score, made anew at every update; no gradient flows through it. While alpha
    is 0 the unlabeled rows are not even passed through the network.

    `alpha` is a scalar `tf.Variable`, 0 at first: `AlphaScheduler` moves it, or
    `model.alpha.assign(value)`. `evaluate`, `predict`, `export` and Keras'
    callbacks behave as on the classifier itself. Under a `tf.distribute`
    strategy, create the model in the strategy's scope.

    `fit` logs `loss`, `labeled_loss` (regularization included),
    `unlabeled_loss` (not yet multiplied by alpha; 0 while skipped), `alpha`,
    and the compiled metrics on labeled rows; and, where the unlabeled stream
    carries labels, `pseudo_label_accuracy` (NaN in an epoch in which no
    pseudo-label was made). Those labels are for this metric only.

    Args:
        classifier: A `keras.Model` from inputs to class scores
            `(batch, ..., classes)`: logits, softmax or sigmoid, as the compiled
            loss expects them.
        teacher: Whose scores make the pseudo-labels: `"inference"`, a separate
            pass of the network with dropout off, or `"training"`, the pass
            that the loss uses. Defaults to `"inference"`.
        **kwargs: `name`, `trainable` and `dtype` of the `keras.Model`.

    Raises:
        ValueError: If the teacher is unknown or the classifier is no
            `keras.Model`.
    """

    def __init__(self, classifier, teacher="inference", **kwargs):
        if not isinstance(classifier, keras.Model):
            raise ValueError(
                "`classifier` must be a keras.Model from inputs to class "
                f"scores; got {type(classifier).__name__}."
            )
        if teacher not in TEACHERS:
            raise ValueError(
                f"`teacher` is one of {', '.join(TEACHERS)}; got {teacher!r}."
            )
        super().__init__(**{"dtype": classifier.dtype_policy, **kwargs})
        self.classifier = classifier
        self.teacher = teacher
        # A Keras weight, so that it is saved; its value is the tf.Variable.
        self._alpha = self.add_weight(
            name="alpha",
            shape=(),
            dtype="float32",
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )
        self._labeled_loss = keras.metrics.Mean("labeled_loss")
        self._unlabeled_loss = keras.metrics.Mean("unlabeled_loss")
        self._pseudo_label_accuracy = _MeanOrNaN("pseudo_label_accuracy")
        self._unlogged = _TRAINING_METRICS
        self._labeled_batch = None
        self._scores_spec = None

    @property
    def alpha(self):
        """The weight of the pseudo-label loss: a scalar float32 tf.Variable."""
        return self._alpha.value

    def call(self, x, training=None):
        """Returns the classifier's scores for a batch of inputs."""
        return self.classifier(x, training=training)

    @distribute.after_its_data
    def train_step(self, data):
        """One update on one pair of batches (Lee 2013, equation 15)."""
        (x, y, weight), (x_u, y_u, weight_u) = map(_unpack, data)
        rows, rows_u = _rows(x), _rows(x_u)
        loss_function = _as_loss(self.loss)

        def labeled_part():
            scores = self(x, training=True)
            size = distribute.averaged_over(loss_function, scores, weight)
            return self.compute_loss(x, y, scores, weight), size, scores

        def no_labeled_part():
            return *_nothing(loss_function), streams.no_rows(self._scores_spec)

        def unlabeled_part():
            scores = self(x_u, training=True)
            believed = TEACHERS[self.teacher](self, x_u, scores)
            pseudo_labels = tf.stop_gradient(targets.hard(believed, like=y))
            self._compare(pseudo_labels, y_u, scores)
            size = distribute.averaged_over(loss_function, scores, weight_u)
            return loss_function(pseudo_labels, scores, weight_u), size

        def no_unlabeled_part():
            return _nothing(loss_function)

        def unlabeled_part_if_it_counts():
            return keras.ops.cond(
                self.alpha > 0, unlabeled_part, no_unlabeled_part
            )

        with tf.GradientTape() as tape:
            labeled_loss, size, scores = keras.ops.cond(
                rows > 0, labeled_part, no_labeled_part
            )
            unlabeled_loss, size_u = keras.ops.cond(
                rows_u > 0, unlabeled_part_if_it_counts, no_unlabeled_part
            )
            with tape.stop_recording():
                *all_rows, whole, whole_u = distribute.sum_over_replicas(
                    rows, rows_u, size, size_u
                )
            labeled_loss *= distribute.share(size, whole)
            unlabeled_loss *= distribute.share(size_u, whole_u)
            loss = labeled_loss + self.alpha * unlabeled_loss
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(
            scaled_loss,
            self.trainable_weights,
            # Both parts absent: an update without rows, and with alpha 0.
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_weights, strict=True)
        )

        self._track(loss, labeled_loss, unlabeled_loss, *all_rows)
        return self.compute_metrics(x, y, scores, weight)

    @distribute.after_its_data
    def test_step(self, data):
        """Evaluates one batch, as `keras.Model` does."""
        return super().test_step(data)

    def fit(self, x=None, *args, class_weight=None, **kwargs):
        """Trains on merged streams; otherwise as `keras.Model.fit`.

        Args:
            x: What `merge_streams` or `alternate_streams` returned. Batch
                sizes are global: replicas share each batch.
            *args: As for `keras.Model.fit`.
            class_weight: Dict from class id to the weight of its labeled rows.
            **kwargs: As for `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: If `x` is no merged stream, or labels, inputs or the
                compiled loss do not fit the classifier.
        """
        x = self._prepared(x, class_weight)
        # Keras would warn that it does not shuffle datasets.
        kwargs.setdefault("shuffle", False)
        try:
            with checks.refusals_in_one_line(), warnings.catch_warnings():
                # Keras takes the end of a distributed dataset for a mishap.
                warnings.filterwarnings("ignore", "Your input ran out of data")
                return super().fit(x, *args, **kwargs)
        finally:
            self._unlogged = _TRAINING_METRICS
            self._labeled_batch = None

    def evaluate(self, *args, **kwargs):
        """As `keras.Model.evaluate`, on labeled data."""
        unlogged, self._unlogged = self._unlogged, _TRAINING_METRICS
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self._unlogged = unlogged

    def export(self, *args, **kwargs):
        """Exports the bare classifier, as `keras.Model.export` would.

        The SavedModel serves without this package.
        """
        return self.classifier.export(*args, **kwargs)

    @property
    def metrics(self):
        """The metrics that the step at hand, training or not, logs."""
        return [m for m in super().metrics if m.name not in self._unlogged]

    def get_metrics_result(self):
        """Returns the logs of a step: metrics by name and, training, alpha.

        Between machines Keras takes the mean of every value on its own after
        every batch, milliseconds each, and along an axis that scalars lack
        (keras#20585). There a step logs the loss alone, with that axis.
        """
        logs = super().get_metrics_result()
        if self._labeled_loss.name in logs:
            logs["alpha"] = tf.identity(self.alpha)
        if _is_step_of_several_machines():
            return {"loss": tf.reshape(logs["loss"], [1])}
        return logs

    def _get_metrics_result_or_logs(self, logs):
        """The whole logs of an epoch, whatever its last step logged."""
        if cluster.is_multi_worker(self.distribute_strategy):
            return self.get_metrics_result()
        return super()._get_metrics_result_or_logs(logs)

    def get_config(self):
        """Returns the constructor's arguments, the classifier serialized."""
        return {
            **super().get_config(),
            "classifier": keras.saving.serialize_keras_object(self.classifier),
            "teacher": self.teacher,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model from what `get_config` returned."""
        config = dict(config)
        classifier = keras.saving.deserialize_keras_object(
            config.pop("classifier"), custom_objects=custom_objects
        )
        return cls(classifier, **config)

    def _prepared(self, x, class_weight):
        """Checks merged streams and makes them what `fit` iterates over."""
        if not streams.is_pair_of_streams(x):
            raise ValueError(
                "fit() trains on a labeled and an unlabeled stream together; "
                f"got {getattr(x, 'element_spec', type(x).__name__)}. Pass "
                "tf_pseudolabel.merge_streams(labeled, unlabeled)."
            )
        _check_loss(self.loss if self.compiled else None)
        labeled_spec, unlabeled_spec = x.element_spec
        self._labeled_batch = tf.nest.map_structure(
            lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name),
            labeled_spec,
        )
        self._scores_spec = self._symbolic_scores()
        checks.check_labels(labeled_spec, self._scores_spec)
        x = checks.check_values(x, self._scores_spec)
        if class_weight is not None:
            x = streams.weigh_classes(x, class_weight, self._scores_spec)
        has_hidden_labels = _unpack(unlabeled_spec)[1] is not None
        self._unlogged = frozenset(
            () if has_hidden_labels else {"pseudo_label_accuracy"}
        )
        strategy = self.distribute_strategy
        if strategy.num_replicas_in_sync > 1:
            x = distribute.split_across_replicas(x, strategy)
        return x

    def _track(self, loss, labeled_loss, unlabeled_loss, rows, rows_u):
        """Logs the losses: as in Keras, means weighted by rows.

        An update without labeled rows weighs as many as it has unlabeled ones,
        and nothing where those were skipped.

        Args:
            loss: This replica's part of the whole loss.
            labeled_loss: Of the labeled one.
            unlabeled_loss: Of the unlabeled one, without alpha.
            rows: Labeled rows on all replicas.
            rows_u: Unlabeled rows on all replicas.
        """
        # Every replica logs its part of the same global losses.
        replicas = self.distribute_strategy.num_replicas_in_sync
        rows_u = tf.where(self.alpha > 0, rows_u, 0.0)
        for tracker, part, weight in (
            (self._loss_tracker, loss, tf.where(rows > 0, rows, rows_u)),
            (self._labeled_loss, labeled_loss, rows),
            (self._unlabeled_loss, unlabeled_loss, rows_u),
        ):
            tracker.update_state(distribute.unscale(part), weight / replicas)

    def _compare(self, pseudo_labels, hidden, scores):
        """Counts the pseudo-labels that are the hidden labels."""
        if hidden is not None:
            correct = tf.equal(
                targets.class_ids(pseudo_labels, scores),
                targets.class_ids(hidden, scores),
            )
            self._pseudo_label_accuracy.update_state(correct)

    def _symbolic_scores(self):
        """Builds the classifier and returns the spec of its output."""
        with self.distribute_strategy.scope():
            return self(_unpack(self._labeled_batch)[0])

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds loss, metrics and optimizer before a step is traced.

        Under a strategy Keras does so itself, as variables cannot be created
        in a step there; but it would take a pair of streams for (x, y), and it
        cannot average batches over machines (keras#20585).
        """
        strategy = self.distribute_strategy
        data_batch = self._labeled_batch or data_batch
        if data_batch is None and cluster.is_multi_worker(strategy):
            _, _, batches = next(iter(iterator))
            data_batch = tf.nest.map_structure(
                lambda value: strategy.experimental_local_results(value)[0],
                next(batches),
            )
        if data_batch is None:
            super()._maybe_symbolic_build(iterator)
        else:
            with strategy.scope():
                self._symbolic_build(data_batch=data_batch)


class _MeanOrNaN(keras.metrics.Mean):
    """A mean that does not call an epoch without values a 0."""

    def result(self):
        mean = super().result()
        return tf.where(self.count > 0, mean, tf.cast(float("nan"), mean.dtype))


class _FunctionLoss(keras.losses.Loss):
    """A loss function with Keras' reduction over rows and replicas."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)


def _as_loss(loss):
    loss = keras.losses.get(loss)
    return loss if isinstance(loss, keras.losses.Loss) else _FunctionLoss(loss)


def _check_loss(loss):
    if loss is None or isinstance(loss, (dict, list, tuple)):
        raise ValueError(
            "PseudoLabelModel needs one loss of (labels, scores); got "
            f"loss={loss!r}. Call compile(optimizer=..., loss=...) first."
        )


def _is_step_of_several_machines():
    return (
        cluster.is_multi_worker(tf.distribute.get_strategy())
        and not tf.distribute.in_cross_replica_context()
    )


def _rows(x):
    """The number of rows: an int where it is known, so that no tf.cond asks."""
    first = tf.nest.flatten(x)[0]
    return tf.shape(first)[0] if first.shape[0] is None else first.shape[0]


def _nothing(loss):
    """The value of a part without rows, and how much it averages over."""
    return tf.zeros([]), tf.constant(float(loss.reduction == "sum"))
