"""Any number of classes."""

from tf_pseudolabel.labels.targets.hard import Hard
from tf_pseudolabel.registry import register


@register(
    "target",
    "multi_hot",
    help="yes or no for every class",
    says="yes or no for every class",
    order=3,
)
class MultiHot(Hard):
    """Yes or no for every class: says that rows have any number of them.

    It makes a multi-label problem of a classifier with several outputs, which
    would else be classes of which a row has one. Every output is a question of
    its own: labels are 0 or 1 for each class, `(batch, ..., classes)`, and the
    loss is the mean (or, `SummedBinaryCrossentropy`, the sum) over the classes
    of a loss per class, such as `keras.losses.BinaryCrossentropy`.

    The pseudo-label of a class is 1 where its sigmoid is above one half. Each
    question counts or not on its own: `TwoSided` says from which probabilities
    on, and `Threshold` measures the confidence `max(p, 1 - p)`. So coverage,
    accuracy and every other figure are those of questions; shares of classes
    are those of yes; and sample weights are still those of rows. Hidden labels
    are 0 and 1, -1 for a class of which nothing is known.

    Name the metrics that are meant, `"binary_accuracy"` or
    `keras.metrics.AUC(multi_label=True)`, or of one class
    `keras.metrics.Precision(class_id=3)`: to Keras, `"accuracy"` of several
    outputs is that of the largest one.
    """

    multi_label = True
