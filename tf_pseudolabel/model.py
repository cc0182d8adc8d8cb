"""The model whose `train_step` is Lee's equation 15."""

import math
import warnings

import keras
import tensorflow as tf

from tf_pseudolabel.distribution import (
    replicas as distribute,
)
from tf_pseudolabel.distribution import (
    strategies as cluster,
)
from tf_pseudolabel.labels import targets
from tf_pseudolabel.labels.probabilities import is_per_class
from tf_pseudolabel.labels.selections import SELECTIONS, All
from tf_pseudolabel.labels.targets import TARGETS, Sharpened, Soft
from tf_pseudolabel.labels.teachers import TEACHERS, Training
from tf_pseudolabel.monitoring.loss_terms import LossTerms
from tf_pseudolabel.monitoring.statistics import PseudoLabelStatistics
from tf_pseudolabel.streams import checks
from tf_pseudolabel.streams import merging as streams
from tf_pseudolabel.update import objective
from tf_pseudolabel.update.mixup import Mixup
from tf_pseudolabel.update.passes import PASSES

_unpack = keras.utils.unpack_x_y_sample_weight

# Logged beside the compiled metrics, and in training only.
_TRAINING_METRICS = frozenset({"loss_terms", "pseudo_labels"})

# The choices that are serialized as objects.
_OBJECTS = ("teacher", "target", "selection", "unlabeled_loss", "penalties")


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class PseudoLabelModel(keras.Model):
    """Trains a classifier on labels and on its own pseudo-labels.

    `fit` takes the dataset that `merge_streams` or `alternate_streams` makes of
    a labeled and an unlabeled stream. Each update minimizes

        labeled loss + alpha · pseudo-label loss,

    each averaged over its own batch (Lee, "Pseudo-Label",
    2013, equation 15). The pseudo-label of a row is the class with the largest
    score, made anew at every update; no gradient flows through it. While alpha
    is 0 the unlabeled rows are not even passed through the network. Other ways
    to make pseudo-labels are put together from the arguments below; `presets`
    has those that the literature knows by name.

    `alpha` is a scalar `tf.Variable`, 0 at first: `AlphaScheduler` moves it, or
    `model.alpha.assign(value)`. `evaluate`, `predict`, `export` and Keras'
    callbacks behave as on the classifier itself. Under a `tf.distribute`
    strategy, create the model in the strategy's scope.

    `fit` logs `loss`, `labeled_loss` (regularization included),
    `unlabeled_loss` (not yet multiplied by alpha; 0 while skipped), `alpha`,
    and the compiled metrics on labeled rows; `coverage`, the share of unlabeled
    rows that count, where a selection leaves some out; and, where the unlabeled
    stream carries labels, `pseudo_label_accuracy` (NaN in an epoch in which no
    pseudo-label was made). Those labels are for this metric only. More about
    the pseudo-labels: `PseudoLabelMonitor`.

    Args:
        classifier: A `keras.Model` from inputs to class scores
            `(batch, ..., classes)`: logits, softmax or sigmoid, as the compiled
            loss expects them. Where probabilities are needed, the loss's
            `from_logits` says whether the scores already are; those of a loss
            without it are taken for probabilities.
        teacher: Whose scores make the pseudo-labels: `"inference"`, a separate
            pass of the network with dropout off; `"training"`, the pass that
            the loss uses; `"lagged"`, the network as it was when the epoch
            began; or `Lagged(every)`, some epochs before. Defaults to
            `"inference"`.
        target: What is made of the scores: `"hard"`, one-hot of the largest;
            `"soft"`, the probabilities; or `Sharpened(temperature)`. Defaults
            to `"hard"`.
        selection: Which rows count: `"all"`; `Threshold(threshold, mean)`,
            those that are sure enough; or `TopShare(mean)`, the surest share of
            every class, with `ShareScheduler`. `mean` says whether the loss is
            divided by all unlabeled rows or by those that count. Defaults to
            `"all"`.
        unlabeled_loss: What is minimized on unlabeled rows: a loss of
            (pseudo-labels, scores), or its name. `ConditionalEntropy()` makes
            entropy regularization of it. Defaults to the compiled loss.
        batch_norm: What batch normalization sees: `"separate"`, each batch on
            its own, moving statistics following both; `"labeled"`, the same,
            but moving statistics follow the labeled batches alone; or
            `"joint"`, both batches in one pass, not under XLA. Without batch
            normalization that is the same, and faster. Defaults to
            `"separate"`.
        mixup: Strength of mixup between all rows of an update, the parameter of
            its beta distribution; labels must be one float per class, and
            training metrics compare the scores of mixed rows with unmixed
            labels. Not with the teacher `"training"`, whose scores would be of
            mixed rows, nor under XLA. Defaults to 0: none.
        penalties: List of `ClassPrior` and `MinimumEntropy`, added to the loss
            of every update on unlabeled rows, over the rows of both batches.
            Defaults to none.
        **kwargs: `name`, `trainable` and `dtype` of the `keras.Model`.

    Raises:
        ValueError: If a choice is unknown, two do not go together, or the
            classifier is no `keras.Model`.
    """

    def __init__(
        self,
        classifier,
        teacher="inference",
        target="hard",
        selection="all",
        unlabeled_loss=None,
        batch_norm="separate",
        mixup=0.0,
        penalties=(),
        **kwargs,
    ):
        if not isinstance(classifier, keras.Model):
            raise ValueError(
                "`classifier` must be a keras.Model from inputs to class "
                f"scores; got {type(classifier).__name__}."
            )
        teacher = _found("teacher", teacher, TEACHERS)
        selection = _found("selection", selection, SELECTIONS)
        _check_choices(teacher, batch_norm, mixup, selection)
        super().__init__(**{"dtype": classifier.dtype_policy, **kwargs})
        self.classifier = classifier
        self.teacher = teacher
        self.target = _found("target", target, TARGETS)
        self.selection = selection
        self.unlabeled_loss = unlabeled_loss
        self.batch_norm = batch_norm
        self.mixup = mixup
        if not isinstance(penalties, (list, tuple)):
            penalties = [penalties]
        self.penalties = list(penalties)
        _check_parts("target", [self.target], "__call__", "Sharpened(0.5)")
        _check_parts("penalties", penalties, "of_rows", "ClassPrior(0.8)")
        self._mixup = Mixup(mixup) if mixup else None
        # XLA would want batches of known sizes, which streams need not have.
        self.supports_jit = batch_norm != "joint"
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
        self._loss_terms = LossTerms()
        self.statistics = PseudoLabelStatistics()
        self._unlogged = _TRAINING_METRICS
        self._labeled_batch = None
        self._scores_spec = None
        self._scores_shape = None

    @property
    def alpha(self):
        """The weight of the pseudo-label loss: a scalar float32 tf.Variable."""
        return self._alpha.value

    def build(self, input_shape):
        """Leaves the classifier to its own first call."""
        self.built = True

    def call(self, x, training=None):
        """Returns the classifier's scores for a batch of inputs."""
        return self.classifier(x, training=training)

    @distribute.after_its_data
    def train_step(self, data):
        """One update on one pair of batches (Lee 2013, equation 15)."""
        labeled, unlabeled = map(_unpack, data)
        x, y, weight = labeled
        update = objective.update(
            self, self._differentiated, labeled, unlabeled
        )
        self.optimizer.apply_gradients(
            zip(update.gradients, self.trainable_weights, strict=True)
        )
        self._track(update)
        return self.compute_metrics(x, y, update.scores, weight)

    def _differentiated(self, terms, rows, rows_u):
        """The loss of an update and its gradients.

        Args:
            terms: Function without arguments that returns `objective.Terms`.
            rows: Labeled rows of this replica.
            rows_u: Its unlabeled rows.

        Returns:
            An `objective.Update`.
        """
        with tf.GradientTape() as tape:
            part = terms()
            with tape.stop_recording():
                whole = distribute.sum_over_replicas(
                    objective.Whole(
                        rows, rows_u, part.size, part.size_u, part.outputs
                    )
                )
            labeled_loss = part.labeled * distribute.share(
                part.size, whole.size
            )
            unlabeled_loss = part.unlabeled * distribute.share(
                part.size_u, whole.size_u
            )
            loss = labeled_loss + self.alpha * unlabeled_loss
            loss += objective.penalty(
                self, part.outputs, whole.outputs, whole.rows_u
            )
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(
            scaled_loss,
            [weight.value for weight in self.trainable_weights],
            # Both parts absent: an update without rows, and with alpha 0.
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return objective.Update(
            gradients, loss, labeled_loss, unlabeled_loss, part.scores, whole
        )

    @distribute.after_its_data
    def test_step(self, data):
        """Evaluates one batch, as `keras.Model` does."""
        return super().test_step(data)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        *args,
        class_weight=None,
        **kwargs,
    ):
        """Trains on merged streams; otherwise as `keras.Model.fit`.

        Args:
            x: What `merge_streams` or `alternate_streams` returned. Batch
                sizes are global: replicas share each batch.
            y: None, as the labels are in `x`.
            batch_size: None, as `x` is batched.
            epochs: As for `keras.Model.fit`.
            verbose: As for `keras.Model.fit`.
            callbacks: As for `keras.Model.fit`.
            *args: As for `keras.Model.fit`.
            class_weight: Dict from class id to the weight of its labeled rows.
            **kwargs: As for `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: If `x` is no merged stream, or labels, inputs or the
                compiled loss do not fit the classifier.
        """
        x = self._prepared(x, class_weight, kwargs.get("initial_epoch", 0))
        callbacks = self._with_teacher(callbacks)
        # Keras would warn that it does not shuffle datasets.
        kwargs.setdefault("shuffle", False)
        try:
            with checks.refusals_in_one_line(), warnings.catch_warnings():
                # Keras takes the end of a distributed dataset for a mishap.
                warnings.filterwarnings("ignore", "Your input ran out of data")
                return super().fit(
                    x,
                    y,
                    batch_size,
                    epochs,
                    verbose,
                    callbacks,
                    *args,
                    **kwargs,
                )
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
        if "labeled_loss" in logs:
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
            "batch_norm": self.batch_norm,
            "mixup": self.mixup,
            **{
                name: keras.saving.serialize_keras_object(getattr(self, name))
                for name in _OBJECTS
            },
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model from what `get_config` returned."""
        objects = ("classifier", *_OBJECTS)
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(
                    value, custom_objects=custom_objects
                )
                if name in objects
                else value
                for name, value in config.items()
            }
        )

    def get_build_config(self):
        """Returns what `build_from_config` needs."""
        config = super().get_build_config() or {}
        if self._scores_shape is not None:
            config["scores_shape"] = [None, *self._scores_shape[1:]]
        return config

    def build_from_config(self, config):
        """Makes the variables whose values are to be loaded."""
        super().build_from_config(config)
        if config.get("scores_shape"):
            self._build_choices(config["scores_shape"])
            self.teacher.begin(self.classifier, 0)

    def _prepared(self, x, class_weight, epoch):
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
        self._check_form(_unpack(labeled_spec)[1])
        with self.distribute_strategy.scope():
            self._build_choices(self._scores_spec.shape)
            self.teacher.begin(self.classifier, epoch)
        x = checks.check_values(x, self._scores_spec)
        if class_weight is not None:
            x = streams.weigh_classes(x, class_weight, self._scores_spec)
        has_hidden_labels = _unpack(unlabeled_spec)[1] is not None
        self.statistics.shown = (
            *(("coverage",) if not isinstance(self.selection, All) else ()),
            *(("pseudo_label_accuracy",) if has_hidden_labels else ()),
        )
        self._unlogged = frozenset()
        strategy = self.distribute_strategy
        if strategy.num_replicas_in_sync > 1:
            x = distribute.split_across_replicas(x, strategy)
        return x

    def _track(self, update):
        """Logs the losses: as in Keras, means weighted by rows.

        An update without labeled rows weighs as many as it has unlabeled ones,
        and nothing where those were skipped.

        Args:
            update: An `objective.Update`.
        """
        # Every replica logs its part of the same global losses.
        replicas = self.distribute_strategy.num_replicas_in_sync
        rows = update.whole.rows / replicas
        rows_u = tf.where(self.alpha > 0, update.whole.rows_u / replicas, 0.0)
        self._loss_tracker.update_state(
            distribute.unscale(update.loss), tf.where(rows > 0, rows, rows_u)
        )
        self._loss_terms.update_state(
            distribute.unscale(update.labeled_loss),
            distribute.unscale(update.unlabeled_loss),
            rows,
            rows_u,
        )

    def _with_teacher(self, callbacks):
        """Adds the teacher's own callback before those of `fit`."""
        teacher = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: self.teacher.end_epoch(
                self.classifier, epoch
            )
        )
        if callbacks is None:
            return [teacher]
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.callbacks.insert(0, teacher)
            return callbacks
        return [teacher, *tf.nest.flatten(callbacks)]

    def _check_form(self, labels):
        """Refuses labels and losses that the choices cannot work with."""
        if self.mixup or isinstance(self.target, Soft):
            targets.check_distributions(labels, self._scores_spec)
        loss = objective.as_loss(self.loss)
        if isinstance(self.target, Sharpened) and is_per_class(loss):
            raise ValueError(
                "Sharpening is for outputs that sum to 1; got "
                f"{type(loss).__name__}, which takes every class on its own. "
                "Use the target 'soft' or 'hard', or a softmax loss."
            )

    def _build_choices(self, scores_shape):
        """Makes the variables of selection and statistics."""
        self._scores_shape = tuple(scores_shape)
        self.statistics.build(scores_shape[-1])
        if not getattr(self.selection, "built", True):
            self.selection.build(self._scores_shape)

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


def _found(kind, identifier, known):
    """A choice from its name; an object is one already."""
    if not isinstance(identifier, str):
        return identifier
    if identifier not in known:
        raise ValueError(
            f"`{kind}` is one of {', '.join(known)}, or an object; got "
            f"{identifier!r}."
        )
    return known[identifier]()


def _check_parts(kind, parts, method, example):
    for part in parts:
        if not hasattr(part, method):
            raise ValueError(
                f"`{kind}` takes a name or an object such as {example}, with "
                f"a method {method}; got {part!r}."
            )


def _check_choices(teacher, batch_norm, mixup, selection):
    if batch_norm not in PASSES:
        raise ValueError(
            f"`batch_norm` is one of {', '.join(PASSES)}; got {batch_norm!r}."
        )
    _check_parts("teacher", [teacher], "scores", "Lagged()")
    if not 0 <= mixup < math.inf:
        raise ValueError(
            "`mixup` is the parameter of a beta distribution, above 0, or 0 "
            f"for none; got {mixup}."
        )
    _check_parts("selection", [selection], "accepted", "Threshold(0.95)")
    if mixup and (
        isinstance(teacher, Training) or not isinstance(selection, All)
    ):
        raise ValueError(
            "Mixup needs pseudo-labels made before the pass of the loss, for "
            f"all rows; got {teacher!r} and {selection!r}. Use the "
            "teacher 'inference' or 'lagged' and the selection 'all'."
        )


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
