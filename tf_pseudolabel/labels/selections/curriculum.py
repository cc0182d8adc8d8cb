"""A threshold of each class by how many of its rows were ever sure."""

import tensorflow as tf

from tf_pseudolabel.distribution import replicas
from tf_pseudolabel.labels.selections.threshold import Threshold
from tf_pseudolabel.registry import Flag, register


@register(
    "selection",
    "curriculum",
    help="a threshold of each class by how many of its rows were ever sure",
    # How many rows there are, the data say.
    flags=[Flag("threshold"), Flag("mean")],
    says="rows count from a confidence of {threshold:g} on, or of less where a "
    "class is learned less, mean over {mean} rows",
    order=7,
)
class Curriculum(Threshold):
    """Curriculum pseudo-labels: classes that are learned less ask for less.

    Remembers of each unlabeled row the class that it was last sure of, by the
    fixed threshold. With n(c) such rows of class c, and `rows - sum n` of which
    nothing is known, `b(c) = n(c) / max(largest n, unknown)` and the threshold
    of the class is `threshold · b / (2 - b)`. Rows are remembered *after* they
    were used (Zhang et al., "FlexMatch", NeurIPS 2021, equations 6 to 12, and
    TorchSSL, `models/flexmatch/flexmatch.py`).

    At first no row was ever sure, every threshold is 0, and every row counts:
    so the method begins.

    The unlabeled stream numbers its rows from 0 to `rows - 1`, as that of the
    programs does: `tpl.from_arrays(..., numbered=True)`, or, before it is
    shuffled and batched,
    `unlabeled.enumerate().map(lambda i, x: tpl.views.Viewed(x, index=i))`.

    Args:
        threshold: As for `Threshold`. Defaults to 0.95.
        rows: Int: how many unlabeled rows there are. Defaults to None, which a
            program replaces.
        mean: As for `Selection`. Defaults to `"all"`.
        name: Name of the layer.

    Raises:
        ValueError: If the threshold is outside [0, 1], the mean unknown, or
            `rows` no positive number.
    """

    fits_multi_label = False
    remembers_rows = True
    from_data = ("rows",)
    traced_attributes = ("mean", "rows")

    def __init__(self, threshold=0.95, rows=None, mean="all", name=None):
        super().__init__(threshold, mean, name)
        if rows is not None and not rows >= 1:
            raise ValueError(
                f"`rows` counts unlabeled rows, at least 1; got {rows}."
            )
        self.rows = rows

    def build(self, spec):
        """Makes the memory; see `Part.build`."""
        if self.rows is None:
            raise ValueError(
                "Curriculum remembers every unlabeled row, and must know how "
                "many there are; got rows=None. Give Curriculum(rows=...)."
            )
        if len(spec.scores) > 2:
            raise ValueError(
                "Curriculum remembers one class of each row; got outputs "
                f"{spec.scores}, with a class for every position, or with a "
                "yes or no in place of two classes. Take Threshold or "
                "SelfAdaptive."
            )
        self._classes = spec.classes
        self.selected = self.state("selected", (self.rows,), -1.0)

    def row_weights(self, context, beliefs):
        """Selects by what is remembered; see `Selection.row_weights`."""
        if context.unlabeled.index is None:
            raise ValueError(
                "Curriculum needs the number of every unlabeled row; got a "
                "stream without. Give tpl.from_arrays(..., numbered=True), or "
                "map it after enumerate(): lambda i, x: tpl.views.Viewed(x, "
                "index=i)."
            )
        least = tf.gather(self.thresholds(), beliefs.ids)
        return tf.cast(beliefs.confidence >= least, tf.float32)

    def thresholds(self):
        """Returns the threshold of each class: float tensor `(classes,)`."""
        last = tf.cast(self.selected.value, tf.int32)
        counts = tf.math.unsorted_segment_sum(
            tf.ones_like(last, tf.float32), last, self._classes
        )
        unknown = self.rows - tf.reduce_sum(counts)
        learned = counts / tf.maximum(tf.reduce_max(counts), unknown)
        return self.threshold * learned / (2.0 - learned)

    def after_update(self, context):
        """Remembers which rows are sure of what; see `Part.after_update`."""
        if context.beliefs is None:
            return
        beliefs, index = context.beliefs, context.unlabeled.index
        sure = beliefs.confidence >= self.threshold
        present = context.present_u(beliefs.ids)
        if present is not None:
            sure &= present > 0
        # A batch may hold a row twice, in two views: sure once is sure.
        said = tf.where(sure, tf.cast(beliefs.ids, tf.float32), -1.0)
        index, said = replicas.gathered(tf.cast(index, tf.int64), said)
        said = tf.math.unsorted_segment_max(said, index, self.rows)
        kept = self.selected.value
        self.selected.assign(tf.where(said >= 0, said, kept))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "rows": self.rows}
