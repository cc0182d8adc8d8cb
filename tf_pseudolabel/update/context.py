"""What the parts of a method see of an update."""

import contextlib
import typing

import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.distribution import replicas
from tf_pseudolabel.labels import forms
from tf_pseudolabel.losses import rows
from tf_pseudolabel.update.batch import count_rows, first_rows, repeated
from tf_pseudolabel.update.outputs import has_logits, outputs


class Beliefs(typing.NamedTuple):
    """What is believed of the unlabeled rows; no gradient flows through it.

    Where every output answers a question of its own, a question is a position
    with two classes, no and yes: for `(batch, ...)` below read the shape of the
    scores.

    Attributes:
        scores: The teacher's scores, `(batch, ..., classes)`.
        raw: Its probabilities, float32, before the alignment.
        probabilities: The same, aligned.
        ids: Int64 tensor `(batch, ...)`: the largest aligned probabilities.
        confidence: Float32 tensor `(batch, ...)`: how large they are.
        weight: How much each row counts, float32 in [0, 1]; None: 1 each.
        target: The pseudo-labels, in the form of the labels.
    """

    scores: tf.Tensor
    raw: tf.Tensor
    probabilities: tf.Tensor
    ids: tf.Tensor
    confidence: tf.Tensor
    weight: typing.Any = None
    target: typing.Any = None


class Context:
    """One update on one replica: batches, forward passes, beliefs.

    Parts are given it, and may ask it for more passes.

    Args:
        classifier: The `keras.Model` under training.
        method: A `Method`.
        alpha: Scalar: the weight of the terms.
        labeled: The labeled `Batch`; None in an update without.
        unlabeled: The unlabeled one; None while alpha is 0.
        like: The labels, or their spec, whose form pseudo-labels take.
        spare: A row of inputs for the network to see where a replica has none;
            None: there are rows.

    Attributes:
        classifier, method, alpha, labeled, unlabeled: As above; the batches
            after their views were made.
        loss: The compiled `keras.losses.Loss`.
        mean: What the mean of the pseudo-label loss is over, as the selection
            has it.
        scores: The student's scores of the labeled rows; None without.
        scores_u: Its scores of the unlabeled rows; None without.
        beliefs: `Beliefs`; None without unlabeled rows.
        given, given_u: Both batches as they were before mixup, by which rows
            are counted and labels told; else the same.
        unmixed: What the student would train on without mixup: `given_u` with
            pseudo-labels; None where rows are not mixed.
        replicas: Int: how many replicas train in step.
        spare: As above, where the network must not see empty batches.
        mask, mask_u: Bool tensors `(batch, ...)`: positions of labeled and of
            unlabeled rows that are there, by the network's mask; of labeled
            ones without those that the loss ignores; None: all.
    """

    def __init__(
        self, classifier, method, alpha, labeled, unlabeled, like, spare=None
    ):
        self.classifier = classifier
        self.method = method
        self.alpha = alpha
        self.loss = method.loss
        self.mean = method.selection.mean
        self.labeled, self.unlabeled = labeled, unlabeled
        self.scores = self.scores_u = self.beliefs = self.unmixed = None
        self.mask = self.mask_u = None
        self.replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._like = like
        self.spare = spare if method.borrows else None
        self._activated = False
        self._plain = labeled
        if method.views is not None:
            self._make_views(method.views)
        self.given, self.given_u = self.labeled, self.unlabeled

    def forward(self, x, training=True, moving=True):
        """Passes inputs through the network.

        Args:
            x: A batch of inputs.
            training: Whether dropout and batch statistics are on.
            moving: Whether batch normalization's moving statistics follow.

        Returns:
            Float tensor `(batch, ..., classes)`: scores, with gradients.
        """
        unmoved = [] if moving else compat.moving_statistics(self.classifier)
        with _unmoved(unmoved):
            return self.passed(
                lambda inputs: self.classifier(inputs, training=training), x
            )

    def passed(self, network, x):
        """Has a network score inputs, of which a replica may have none.

        No layer then sees an empty batch, whose mean would be no number: it
        sees a row of the other batch, the score of which is cut off.

        Args:
            network: Callable from a batch of inputs to scores.
            x: A batch of inputs.

        Returns:
            What it returns for `x`.
        """
        if self.spare is None:
            return network(x)
        own = count_rows(x)
        needed = first_rows(self.spare, tf.maximum(1 - own, 0))
        return _part(network(_concat([x, needed])), slice(None, own))

    def outputs(self, scores):
        """Returns the `Outputs` of scores that `forward` returned."""
        return outputs(
            scores, self.loss, self._activated, self.method.questions
        )

    def ids_of(self, labels, scores):
        """Class ids of labels; of a question, 0 for no and 1 for yes.

        Args:
            labels: Tensor of labels, as a stream has them.
            scores: Float tensor `(batch, ..., classes)`.

        Returns:
            An int64 tensor `(batch, ...)`; where outputs are questions, of the
            shape of the scores.
        """
        if self.method.questions:
            return forms.answers(labels)
        return forms.class_ids(labels, scores)

    @property
    def has_logits(self):
        """Whether the scores that were made are logits: a bool."""
        return has_logits(self.loss, self._activated)

    def over_replicas(self, values):
        """Adds nested values of known shapes up over the replicas."""
        return replicas.sum_over_replicas(values)

    @property
    def one_pass(self):
        """Whether what the loss uses can be what a teacher says: a bool."""
        same = self.unlabeled.student is self.unlabeled.x
        return same and not self.method.compares

    def teachers_labeled(self):
        """What a teacher sees of the labeled rows.

        Returns:
            A batch of inputs: where the student has a view of unlabeled rows of
            its own, another draw of the weak view; mixed rows as they are.
        """
        views = self.method.views
        if views is None or views.strong is None or self.method.mixup:
            return self.labeled.x
        return views.labeled(self._plain.x, self._plain.places, again=True)

    def pass_labeled(self):
        """Makes `scores`; in a joint pass, what `pass_unlabeled` makes, too."""
        if self.method.mixup is not None:
            self._mix(self.method.mixup)
        if self.labeled is None:
            return
        if self.method.joint and self.unlabeled is not None:
            self._pass_jointly()
        else:
            self._score(self.forward(self.labeled.x))

    def pass_unlabeled(self):
        """Makes `beliefs` and `scores_u`, unless they are made already."""
        if self.unlabeled is None or self.scores_u is not None:
            return
        self._believe(self.method.teacher.scores(self))
        with _unmoved(self.method.unmoved):
            scores = self.forward(self.unlabeled.student)
        self._believe(scores)
        self.scores_u, self.mask_u = self._known(scores)

    def sum_over_both(self, values_of):
        """Sums something over the rows of both batches that count.

        Args:
            values_of: Callable from `Outputs` to a float tensor
                `(batch, ..., k)`.

        Returns:
            Float32 tensor `(k,)`, and the number of rows.
        """
        total = count = 0.0
        both = (
            (self.scores, self.mask, self.labeled),
            (self.scores_u, self.mask_u, self.unlabeled),
        )
        for scores, mask, batch in both:
            if scores is None:
                continue
            sums = _sums(values_of(self.outputs(scores)), mask, batch)
            total, count = total + sums[0], count + sums[1]
        return total, count

    def labeled_scores(self):
        """The scores of the labeled rows, for parts that compare with them.

        Returns:
            Float tensor `(batch, ..., classes)`: those of the pass that the
            loss uses or, where beliefs are made before it, of one like it; None
            without labeled rows.
        """
        if self.scores is None and self.labeled is not None:
            scores = self.forward(self.labeled.x, moving=False)
            self.mask = self._labeled_mask(scores)
            return scores
        return self.scores

    def sum_of_labeled(self, values):
        """Sums something over the labeled rows of all replicas.

        Args:
            values: Float tensor `(batch, ..., k)`.

        Returns:
            Float32 tensor `(k,)` and scalar: the sums, and how many rows there
            are; those that are masked or weigh 0 are left out.
        """
        return self.over_replicas(_sums(values, self.mask, self.given))

    def sum_of_unlabeled(self, values):
        """The same of unlabeled rows; see `sum_of_labeled`."""
        return self.over_replicas(_sums(values, self.mask_u, self.given_u))

    def present(self, ids):
        """Which labeled rows or positions count: not masked, of a weight.

        Args:
            ids: Tensor `(batch, ...)`, one value for each.

        Returns:
            Float32 tensor like it, 1 or 0; None: all.
        """
        return _present(ids, self.mask, self.given)

    def present_u(self, ids):
        """The same of unlabeled rows; see `present`."""
        return _present(ids, self.mask_u, self.given_u)

    def counted(self):
        """Finds what statistics count of both batches.

        Returns:
            Class ids of the labeled rows, int64 tensor `(batch, ...)`, None
            where there are none; what `present` says of these; and what
            `present_u` says of the pseudo-labels.
        """
        ids = there = there_u = None
        if self.given is not None:
            ids = self.ids_of(self.given.y, self.scores)
            there = self.present(ids)
        if self.beliefs is not None:
            there_u = self.present_u(self.beliefs.ids)
        return ids, there, there_u

    def _make_views(self, views):
        if self.labeled is not None:
            x = views.labeled(self.labeled.x, self.labeled.places)
            self.labeled = self.labeled._replace(x=x, student=x)
        if self.unlabeled is not None:
            self.unlabeled = repeated(self.unlabeled, views.copies)
            x, student = views.unlabeled(
                self.unlabeled.x, self.unlabeled.places
            )
            self.unlabeled = self.unlabeled._replace(x=x, student=student)

    def _believe(self, scores):
        """Makes the beliefs of the teacher's scores, once there are any."""
        if scores is None or self.beliefs is not None:
            return
        method = self.method
        scores, self.mask_u = self._known(scores)
        said = tf.stop_gradient(self.outputs(scores).probabilities)
        scores = tf.stop_gradient(scores)
        raw = said if method.views is None else method.views.averaged(said)
        aligned = raw
        if method.alignment is not None:
            aligned = method.alignment.probabilities(self, raw)
        # Probabilities round: several may be 1 where one score is largest.
        by_scores = aligned is said and not method.questions
        largest = scores if by_scores else aligned
        beliefs = Beliefs(
            scores,
            raw,
            aligned,
            tf.argmax(largest, axis=-1),
            tf.reduce_max(aligned, axis=-1),
        )
        weight = method.selection.row_weights(self, beliefs)
        if weight is not None:
            weight = tf.stop_gradient(weight)
        target = tf.stop_gradient(method.target.labels(beliefs, self._like))
        self.beliefs = beliefs._replace(weight=weight, target=target)

    def _pass_jointly(self):
        """One pass over all that is trained on, normalized together."""
        teacher, unlabeled = self.method.teacher, self.unlabeled
        seen = [unlabeled.student]
        two_passes = teacher.in_pass and not self.one_pass
        if two_passes and self.method.normalizes:
            seen.append(unlabeled.x)
        elif self.beliefs is None:
            # Of a pass of its own no gradient is taken, which is cheaper.
            self._believe(teacher.scores(self))
        inputs = [self.labeled.x, *seen]
        scores, *both = _split(self.forward(_concat(inputs)), inputs)
        self._score(scores)
        self._believe(both[-1])
        self.scores_u, self.mask_u = self._known(both[0])

    def _mix(self, mixup):
        """Mixes the rows of both batches, pseudo-labels like labels."""
        labeled, unlabeled = self.labeled, self.unlabeled
        if unlabeled is not None:
            self._believe(self.method.teacher.scores(self))
            unlabeled = unlabeled._replace(
                x=unlabeled.student, y=self.beliefs.target
            )
            self.unmixed = unlabeled
        self.labeled, mixed = mixup.mix(labeled, unlabeled)
        if mixed is not None:
            self.beliefs = self.beliefs._replace(target=mixed.y)
            self.unlabeled = mixed._replace(y=self.unlabeled.y, student=mixed.x)

    def _score(self, scores):
        """Has the student's scores of the labeled rows, and their mask."""
        self.scores, self.mask = scores, self._labeled_mask(scores)

    def _labeled_mask(self, scores):
        _, mask = self._known(scores)
        ignored = getattr(self.loss, "ignore_class", None)
        if ignored is None:
            return mask
        there = forms.class_ids(self.given.y, scores) != ignored
        if mask is None:
            return there
        return there & tf.cast(rows.like(mask, there), tf.bool)

    def _known(self, scores):
        """Scores and their mask; notes whether they are probabilities."""
        mask, logits = compat.known_of(scores)
        self._activated = logits is not None or self.method.activated
        if mask is not None and self.method.mixup is not None:
            raise ValueError(
                "`mixup` mixes a word with the padding of another row; got a "
                "network that masks its inputs, up to its scores. Leave mixup "
                "out."
            )
        return scores, mask


def _sums(values, mask, batch):
    there = _present(values[..., 0], mask, batch)
    if there is None:
        there = tf.ones_like(values[..., 0])
    there = there[..., tf.newaxis]
    positions = list(range(len(values.shape) - 1))
    return tf.reduce_sum(values * there, axis=positions), tf.reduce_sum(there)


def _present(positions, mask, batch):
    """Where something is: what is masked or weighs 0 is as good as absent."""
    if mask is None and batch.weight is None:
        return None
    weighs = None if batch.weight is None else batch.weight > 0
    return rows.product(positions, mask, weighs)


@contextlib.contextmanager
def _unmoved(variables):
    """Puts variables back to what they were."""
    before = [tf.identity(variable.value) for variable in variables]
    yield
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def _concat(inputs):
    return tf.nest.map_structure(lambda *xs: tf.concat(xs, axis=0), *inputs)


def _split(scores, inputs):
    """The scores of each of the inputs that passed together."""
    first = 0
    for x in inputs:
        last = first + count_rows(x)
        yield _part(scores, slice(first, last))
        first = last


def _part(scores, rows):
    """Some rows of scores, with what Keras knows of them."""
    known = compat.known_of(scores)
    known = [None if tensor is None else tensor[rows] for tensor in known]
    return compat.with_known(scores[rows], *known)
