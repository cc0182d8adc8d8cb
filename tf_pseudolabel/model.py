"""The model whose `train_step` is Lee's equation 15."""

import contextlib
import warnings

import keras
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.callbacks.between_epochs import (
    BetweenEpochs,
    before_others,
)
from tf_pseudolabel.distribution import replicas, strategies
from tf_pseudolabel.labels import forms
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.monitoring.loss_terms import LossTerms
from tf_pseudolabel.monitoring.statistics import PseudoLabelStatistics
from tf_pseudolabel.part import Progress, Spec
from tf_pseudolabel.streams import border, checks, preparation
from tf_pseudolabel.update import choices, labeling
from tf_pseudolabel.update.batch import batches_of
from tf_pseudolabel.update.context import Context
from tf_pseudolabel.update.dispatch import BOTH, Dispatch
from tf_pseudolabel.update.method import method_of
from tf_pseudolabel.update.objective import objective

# Logged beside the compiled metrics, and in training only.
_TRAINING_METRICS = frozenset({"loss_terms", "pseudo_labels"})
# The choices that are serialized as objects, and those that are plain values.
_OBJECTS = (
    *("teacher", "alignment", "selection", "target", "views", "average"),
    *("unlabeled_loss", "terms", "penalties"),
)
_VALUES = ("batch_norm", "mixup")


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class PseudoLabelModel(compat.TrainerHooks, keras.Model):
    """Trains a classifier on labels and on its own pseudo-labels.

    `fit` takes the dataset that `merge_streams` or `alternate_streams` makes of
    a labeled and an unlabeled stream. Each update minimizes

        labeled loss + alpha · (pseudo-label loss + other terms),

    each averaged over its own batch (Lee, "Pseudo-Label",
    2013, equation 15). The pseudo-label of a row is the class with the largest
    score, made anew at every update; no gradient flows through it. While alpha
    is 0 the unlabeled rows are not even passed through the network. Other ways
    to make pseudo-labels are put together from the arguments below, each a name
    or an object, one's own too; `presets` has those that the literature knows.

    `alpha` is a scalar `tf.Variable`, 0 at first: `AlphaScheduler` moves it, or
    `model.alpha.assign(value)`. `evaluate`, `predict`, `export` and Keras'
    callbacks behave as on the classifier itself. Under a `tf.distribute`
    strategy, create the model in the strategy's scope.

    `fit` logs `loss`, `labeled_loss` (regularization included),
    `unlabeled_loss` (not yet multiplied by alpha; 0 while skipped), each other
    term by its name, `alpha`, and the compiled metrics on labeled rows;
    `coverage`, the share of unlabeled rows that count, where a selection leaves
    some out; and, where the unlabeled stream carries labels,
    `pseudo_label_accuracy`. The last two are left out of an epoch in which no
    pseudo-label was made. Those labels are for this metric only. More about
    the pseudo-labels: `PseudoLabelMonitor`.

    Labels are class ids or one value per class: of each row, or of each of its
    positions (tokens, pixels). A classifier with a single output is binary: its
    labels are 0 and 1, `(batch,)` or `(batch, 1)`, and the loss is one for
    sigmoids. With `target="multi_hot"` every output is such a question, yes or
    no, and rows have any number of classes.

    Args:
        classifier: A `keras.Model` from inputs to class scores
            `(batch, ..., classes)`: logits, softmax or sigmoid, as the compiled
            loss expects them; or to one output for two classes.
        teacher: Whose scores make the pseudo-labels: `"inference"`, a separate
            pass of the network with dropout off; `"training"`, the pass that
            the loss uses; `"lagged"`, the network as it was when the epoch
            began; or a `Teacher`: `Lagged(every)`, `Frozen(classifier)`.
            Defaults to `"inference"`.
        alignment: An `Alignment`: what is corrected in its probabilities.
            Defaults to None: nothing.
        selection: Which rows count: `"all"`; `Threshold(threshold, mean)`,
            those that are sure enough; `TopShare(mean)`, the surest share of
            every class, with `ShareScheduler`; `TwoSided(up, down, mean)`, of
            outputs that are yes or no; or another `Selection`. `mean`
            says whether the loss is divided by all unlabeled rows or by those
            that count. Defaults to `"all"`.
        target: What is made of the scores: `"hard"`, one-hot of the largest;
            `"soft"`, the probabilities; `Sharpened(temperature)`;
            `"multi_hot"`, yes or no for every class; or another `Target`.
            Defaults to `"hard"`.
        views: `Views(weak, strong)`: what teacher and student see. Defaults to
            None: the inputs as the streams bring them.
        unlabeled_loss: What is minimized on unlabeled rows: a loss of
            (pseudo-labels, scores), its name, or a `Term`:
            `ConditionalEntropy()` makes entropy regularization of it. Defaults
            to the compiled loss.
        terms: List of `Term`s that alpha multiplies, too. Defaults to none.
        batch_norm: What batch normalization sees: `"separate"`, each batch on
            its own, moving statistics following both; `"labeled"`, the same,
            but moving statistics follow the labeled batches alone; or
            `"joint"`, both batches in one pass. Defaults to `"auto"`: joint in
            a network with batch normalization, and separate in others, where
            it is the same.
        mixup: Strength of mixup between all rows of an update, the parameter of
            its beta distribution; or `Mixup(strength, form)`. Labels must be
            one float per class, and training metrics compare the scores of
            mixed rows with unmixed labels. Not under XLA, nor in networks that
            mask their inputs up to their scores. Defaults to 0: none.
        average: `Averaged(decay)`, or `"teacher"` where that is one: the
            average of the network, which `evaluate`, `predict` and `export`
            then take in its place. Defaults to None: the network itself.
        penalties: Deprecated: `Term`s that are added without alpha, in updates
            with unlabeled rows. Use `terms`.
        **kwargs: `name`, `trainable` and `dtype` of the `keras.Model`.

    Raises:
        ValueError: If a choice is unknown, two do not go together, or the
            classifier is no `keras.Model`.
    """

    def __init__(
        self,
        classifier,
        *,
        teacher="inference",
        alignment=None,
        selection="all",
        target="hard",
        views=None,
        unlabeled_loss=None,
        terms=(),
        batch_norm="auto",
        mixup=0.0,
        average=None,
        penalties=(),
        **kwargs,
    ):
        if not isinstance(classifier, keras.Model):
            raise ValueError(
                "`classifier` must be a keras.Model from inputs to class "
                f"scores; got {type(classifier).__name__}."
            )
        teacher = choices.part("teacher", teacher)
        selection = choices.part("selection", selection)
        mixing = choices.mixup(mixup, selection)
        super().__init__(**{"dtype": classifier.dtype_policy, **kwargs})
        self.classifier = classifier
        self.teacher = teacher
        self.alignment = choices.optional("alignment", alignment)
        self.selection = selection
        self.target = choices.part("target", target)
        self.views = choices.optional("views", views)
        self.unlabeled_loss = unlabeled_loss
        self.terms = choices.terms("terms", terms)
        self.batch_norm = choices.batch_norm(batch_norm)
        self.mixup = mixup
        self.mixing = mixing
        self.average = average
        self.averaged = choices.average(average, teacher)
        self.penalties = choices.terms("penalties", penalties)
        if self.penalties:
            warnings.warn(
                "`penalties` will go: `terms` takes the same objects, and "
                "multiplies them by alpha (divide their weights by it).",
                DeprecationWarning,
                stacklevel=2,
            )
        self.supports_jit = all(part.supports_jit for part in self.parts)
        self._alpha = self._state("alpha", "float32")
        # The optimizer's own count leaves out what it gathers or skips.
        self._updates = self._state("updates", "int64")
        more = [term.name for term in (*self.terms, *self.penalties)]
        self._loss_terms = LossTerms(["unlabeled_loss", *more])
        self.statistics = PseudoLabelStatistics()
        self._unlogged = _TRAINING_METRICS
        self._has_averages = False
        self._labeled_batch = self._scores_shape = None
        self._loss_weight = 1.0
        self._method = self._labeler = None
        # What `Dispatch` goes by; outside of fit, an update takes both parts.
        self.trains = BOTH
        self.has_unlabeled, self.is_alternating = True, False
        known = getattr(classifier, "outputs", None) or ()
        if len(known) == 1:
            self.build_parts(known[0].shape)
        self._settled = True

    def __setattr__(self, name, value):
        """Refuses choices that a step which is traced would not hear of."""
        if name in (*_OBJECTS, *_VALUES) and getattr(self, "_settled", False):
            raise AttributeError(
                f"`{name}` is chosen when the model is made; make another "
                f"PseudoLabelModel(classifier, {name}=...), or change the "
                "numbers of the object: model.selection.threshold = 0.9."
            )
        super().__setattr__(name, value)

    @property
    def alpha(self):
        """The weight of the pseudo-label loss: a scalar float32 tf.Variable."""
        return self._alpha.value

    @property
    def updates(self):
        """How many updates it was trained for: a scalar int64 tf.Variable."""
        return self._updates.value

    def _state(self, name, dtype):
        """A Keras weight, so that it is saved; its value is a tf.Variable."""
        return self.add_weight(
            name=name,
            shape=(),
            dtype=dtype,
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def build(self, input_shape):
        """Makes the variables of the parts, so that weights can be loaded.

        Args:
            input_shape: Shape of a batch of inputs, or nested ones.
        """
        if self._scores_shape is None:
            if not self.classifier.built:
                self.classifier.build(input_shape)
            self.build_parts(self.classifier.compute_output_shape(input_shape))

    def call(self, x, training=None):
        """Returns the classifier's scores for a batch of inputs."""
        if self.averaged is None or training or self._has_averages:
            return self.classifier(x, training=training)
        if tf.executing_eagerly():
            self._follow()
        return self.averaged.label(self.classifier, x)

    def _follow(self):
        """Before any training, copies are of the weights as they are."""
        if self.built:
            for part in {self.teacher, self.averaged} - {None}:
                part.follow(self.classifier)

    def compile(
        self, optimizer="rmsprop", loss=None, loss_weights=None, *args, **kwargs
    ):
        """As `keras.Model.compile`, with one loss of (labels, scores).

        Args:
            optimizer: As for Keras.
            loss: A loss, its name, or a function.
            loss_weights: One number: it multiplies the labeled loss and the
                terms alike.
            *args: As for Keras.
            **kwargs: As for Keras.

        Raises:
            ValueError: If there are several losses or weights.
        """
        super().compile(optimizer, loss, loss_weights, *args, **kwargs)
        weights = [1.0, *keras.tree.flatten(loss_weights)][-1:]
        if len(keras.tree.flatten(loss_weights)) > 1:
            raise ValueError(
                "PseudoLabelModel has one loss, and takes one of "
                f"`loss_weights`; got {loss_weights!r}."
            )
        self._loss_weight = 1.0 if weights[0] is None else float(weights[0])
        self._method = self._labeler = None

    def compile_from_config(self, config):
        """Compiles a loaded model as the saved one was."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    @replicas.after_its_data
    def train_step(self, data):
        """One update on one pair of batches (Lee 2013, equation 15)."""
        context = self._context(data)
        with tf.GradientTape() as tape:
            context.pass_labeled()
            labeled_loss = self._loss_of_labels(context)
            context.pass_unlabeled()
            minimized = objective(context, labeled_loss)
            loss = self.optimizer.scale_loss(minimized.loss)
        weights = self.trainable_weights
        gradients = tape.gradient(
            loss,
            [weight.value for weight in weights],
            # Both parts absent: an update without rows, and with alpha 0.
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        self.updates.assign_add(1)
        for part in context.method.hooked:
            part.after_update(context)
        return self._logs(context, minimized)

    def _context(self, data):
        """The update's context, of the batches that it trains on."""
        method = self._method or self.settled_method()
        batches = batches_of(data, *self.trains)
        return Context(self.classifier, method, self.alpha, *batches)

    def _loss_of_labels(self, context):
        """Keras' loss of the labeled rows, regularization included."""
        if context.labeled is None:
            return tf.zeros([])
        x, y, weight = context.labeled[:3]
        return self.compute_loss(x, y, context.scores, weight)

    def _logs(self, context, minimized):
        """Updates the metrics: as in Keras, means weighted by rows.

        An update without labeled rows weighs as many as it has unlabeled ones,
        and nothing where those were skipped.
        """
        _, loss, *parts = minimized
        rows = minimized.rows if context.labeled else minimized.rows_u
        tracker = next(m for m in super().metrics if m.name == "loss")
        tracker.update_state(loss, rows)
        self._loss_terms.update_state(*parts)
        self.statistics.update(context)
        if context.given is None:
            return self.get_metrics_result()
        # The labels that there are: mixup's are partly pseudo-labels.
        x, y, weight = context.given[:3]
        return self.compute_metrics(x, y, context.scores, weight)

    @replicas.after_its_data
    def test_step(self, data):
        """Evaluates one batch, as `keras.Model` does."""
        return super().test_step(data)

    def make_train_function(self, force=False):
        """Makes the function that `fit` calls for each update."""
        if self.train_function is not None and not force:
            return self.train_function

        def make():
            super(PseudoLabelModel, self).make_train_function(force=True)
            made, self.train_function = self.train_function, dispatch
            return made

        dispatch = self.train_function = Dispatch(self, make)
        return dispatch

    def make_test_function(self, force=False):
        """Makes the function that `evaluate` calls for each batch."""
        self._follow()
        return super().make_test_function(force)

    def make_predict_function(self, force=False):
        """Makes the function that `predict` calls for each batch."""
        self._follow()
        return super().make_predict_function(force)

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
            class_weight: Dict from class id to the weight of its labeled rows,
                or one weight per class; not where rows have several.
            **kwargs: As for `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: If `x` is no merged stream, or labels, inputs or the
                compiled loss do not fit the classifier.
        """
        steps = kwargs.get("steps_per_epoch")
        preparation.check_call(x, steps, kwargs.get("validation_data"))
        _check_loss(self.loss if self.compiled else None)
        ready = preparation.prepared(self, x, class_weight)
        self._labeled_batch = ready.labeled_batch
        self.has_unlabeled = ready.has_unlabeled
        self.is_alternating = ready.is_alternating
        self.statistics.shown = ready.shown
        self._unlogged = frozenset()
        begin = self._progress(kwargs.get("initial_epoch", 0))
        for part in self.parts:
            part.begin(begin)
        own = BetweenEpochs(x, self.parts, self._progress)
        # Keras would warn that it does not shuffle datasets.
        kwargs.setdefault("shuffle", False)
        try:
            with (
                before_others(own, callbacks, self) as callbacks,
                border.refusals_in_one_line(),
                warnings.catch_warnings(),
            ):
                if steps is None:
                    # Keras takes the end of a distributed dataset for a mishap.
                    warnings.filterwarnings(
                        "ignore", "Your input ran out of data"
                    )
                return super().fit(
                    ready.dataset,
                    y,
                    batch_size,
                    epochs,
                    verbose,
                    callbacks,
                    *args,
                    **kwargs,
                )
        finally:
            self._unlogged, self.trains = _TRAINING_METRICS, BOTH
            self._labeled_batch = None

    def evaluate(self, *args, **kwargs):
        """As `keras.Model.evaluate`, on labeled data."""
        unlogged, self._unlogged = self._unlogged, _TRAINING_METRICS
        try:
            with self._averages_in_place():
                return super().evaluate(*args, **kwargs)
        finally:
            self._unlogged = unlogged

    def test_on_batch(self, *args, **kwargs):
        """As `keras.Model.test_on_batch`, on a labeled batch."""
        with self._averages_in_place():
            return super().test_on_batch(*args, **kwargs)

    @contextlib.contextmanager
    def _averages_in_place(self):
        """Evaluates the classifier itself: with its penalties, too."""
        with self.evaluated():
            self._has_averages = True
            try:
                yield
            finally:
                self._has_averages = False

    def train_on_batch(self, *args, **kwargs):
        """Refused: an update takes a batch of either stream."""
        raise ValueError(
            "train_on_batch() has one batch, and an update takes a labeled and "
            "an unlabeled one. Call fit(merge_streams(labeled, unlabeled)), or "
            "train_step((labeled_batch, unlabeled_batch)) in a loop of yours."
        )

    def label(self, x):
        """Labels rows as training would: what the teacher says of them.

        Args:
            x: A batched `tf.data.Dataset` of inputs, whose labels are ignored;
                or nested arrays `(rows, ...)`.

        Returns:
            A named tuple: `ids`, int64 array `(rows, ...)`, -1 for masked
            positions; and `confidence`, float32 array like it. Of outputs that
            are yes or no each, both are `(rows, ..., outputs)`, ids 1 and 0.

        Raises:
            ValueError: If there are no rows, they do not come in batches, or
                the classifier takes others.
        """
        rows = labeling.as_batches(x)
        checks.check_rows(rows, compat.inputs_of(self.classifier))
        self._follow()
        if self._labeler is None:
            self._labeler = labeling.Labeler(
                self.classifier, self.settled_method()
            )
        return self._labeler(rows)

    def export(self, *args, **kwargs):
        """Exports the bare classifier, as `keras.Model.export` would.

        The SavedModel serves without this package.
        """
        with self.evaluated():
            return self.classifier.export(*args, **kwargs)

    @contextlib.contextmanager
    def evaluated(self):
        """Gives the classifier, for a while, the weights that are evaluated.

        Those of the `average` where there is one: to save the classifier, or to
        use it in Python.

        Yields:
            The classifier.
        """
        if self.averaged is None:
            yield self.classifier
            return
        self._follow()
        with self.averaged.in_place(self.classifier):
            yield self.classifier

    @property
    def parts(self):
        """The `Part`s of the method, a list."""
        last = [*self.terms, *self.penalties]
        if isinstance(self.unlabeled_loss, Term):
            last.insert(0, self.unlabeled_loss)
        choices = (self.teacher, self.alignment, self.selection, self.target)
        choices = (*choices, self.views, self.mixing, self.averaged, *last)
        # An average may be the teacher, too.
        return list({id(p): p for p in choices if p is not None}.values())

    @property
    def asks_questions(self):
        """Whether every output answers a question of its own, yes or no."""
        # Of a classifier that is not built, as far as the target says so.
        shape = self._scores_shape or (None,)
        return forms.are_questions(shape, self.target.multi_label)

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
        several = self.distribute_strategy.num_replicas_in_sync > 1
        if several and strategies.is_step_of_several_machines():
            return {"loss": tf.reshape(logs["loss"], [1])}
        return logs

    def logs_of_epoch(self):
        """The whole logs between machines, whose steps log the loss alone."""
        several = strategies.is_multi_worker(self.distribute_strategy)
        return self.get_metrics_result() if several else None

    def get_config(self):
        """Returns the constructor's arguments, the classifier serialized."""
        serialize = keras.saving.serialize_keras_object
        config = {name: getattr(self, name) for name in _VALUES}
        if self.mixing is not None:
            config["mixup"] = serialize(self.mixing)
        config |= {name: serialize(getattr(self, name)) for name in _OBJECTS}
        config["classifier"] = serialize(self.classifier)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model from what `get_config` returned."""
        objects = ("classifier", *_OBJECTS)
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(
                    value, custom_objects=custom_objects
                )
                if name in objects or isinstance(value, dict)
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
            self.build_parts(config["scores_shape"])

    def load_weights(self, filepath, *args, **kwargs):
        """As `keras.Model.load_weights`, the state of the parts included.

        Raises:
            ValueError: If the classifier is not built, so that there are no
                variables to load into.
        """
        if self._scores_shape is None:
            raise ValueError(
                "load_weights() needs a built classifier; got one without "
                "weights. Give it a keras.Input, or call "
                "model.build(input_shape) first."
            )
        return super().load_weights(filepath, *args, **kwargs)

    def settled_method(self):
        """Returns the `Method` that an update goes by."""
        if self._method is None:
            _check_loss(self.loss if self.compiled else None)
            self._method = method_of(self, self.loss, self._loss_weight)
        return self._method

    def _progress(self, epoch):
        return Progress(self.classifier, epoch)

    def build_parts(self, scores_shape):
        """Makes the variables of parts and statistics, unless they are there.

        Args:
            scores_shape: Shape of the classifier's output.
        """
        if self._scores_shape is None:  # What was settled did not know it.
            self._method = self._labeler = None
        self._scores_shape = tuple(scores_shape)
        spec = Spec(
            self.classifier,
            forms.with_classes(self._scores_shape, self.asks_questions),
        )
        for part in self.parts:
            part.build_for(spec)
        outputs = self._scores_shape[-1]
        several = self.target.multi_label and outputs > 1
        self.statistics.build(outputs if several else spec.classes, several)
        self.built = True

    def batch_to_build_from(self, iterator, batch):
        """A labeled batch: Keras would take a pair of streams for (x, y)."""
        batch = self._labeled_batch or batch
        strategy = self.distribute_strategy
        if batch is None and strategies.is_multi_worker(strategy):
            return compat.first_batch(iterator, strategy)
        return batch


def _check_loss(loss):
    if loss is None or isinstance(loss, (dict, list, tuple)):
        raise ValueError(
            "PseudoLabelModel needs one loss of (labels, scores); got "
            f"loss={loss!r}. Call compile(optimizer=..., loss=...) first."
        )
