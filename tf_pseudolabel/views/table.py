"""Views of rows of numbers: some columns are those of other rows."""

import numpy as np
import tensorflow as tf

from tf_pseudolabel.registry import Flag, register
from tf_pseudolabel.views.images import within
from tf_pseudolabel.views.view import View
from tf_pseudolabel.views.views import Views


def table(rows, **choices):
    """Makes views of rows of numbers.

    Args:
        rows: Float array `(n, columns)`: training rows, labeled and unlabeled.
        **choices: Other arguments of `TableViews`.

    Returns:
        `TableViews`.

    Example:
    >>> import numpy as np, tf_pseudolabel as tpl
    >>> tpl.views.table(np.eye(3), share=0.5).get_config()["share"]
    0.5
    """
    return TableViews(rows, **choices)


@register(
    "views",
    "table",
    help="some columns are those of other rows",
    flags=[
        Flag(
            "corrupted",
            0.6,
            "table: share of columns, of the student",
            least=0,
            most=1,
            argument="share",
        ),
        Flag(
            "weakly_corrupted",
            0.0,
            "table: share of columns, of the teacher and of labeled rows",
            least=0,
            most=1,
            argument="weak_share",
        ),
    ],
    says="the student sees rows of which {corrupted:.0%} of the columns are "
    "those of other rows",
    order=2,
)
class TableViews(Views):
    """Rows of which some columns are drawn from other rows.

    Every column is, with a probability, that of a row drawn from the training
    rows: a draw from the column's own distribution (Bahri et al., "SCARF:
    Self-Supervised Contrastive Learning using Random Feature Corruption", ICLR
    2022, where the share is 0.6). Columns that belong together, such as those
    of a category in one-hot, are drawn together.

    Args:
        rows: Float array `(n, columns)`: training rows, which models hold and
            save; a sample of some thousands will do. Defaults to None, which
            a program replaces.
        share: Float in [0, 1]: of columns, for the student. Defaults to 0.6.
        weak_share: Float in [0, 1]: the same for the teacher and for labeled
            rows. Defaults to 0.
        groups: Ints `(columns,)`: columns of one number belong together.
            Defaults to None: each stands alone.
        seed: As for `Views`.
        name: Name of the layer.

    Raises:
        ValueError: If a share is outside [0, 1], or arrays do not match.
    """

    from_data = ("rows", "groups")

    def __init__(
        self,
        rows=None,
        share=0.6,
        weak_share=0.0,
        groups=None,
        seed=None,
        name=None,
    ):
        if rows is not None:
            rows, groups = _checked(rows, groups)
        weak = Corruption(rows, groups, weak_share) if weak_share else None
        super().__init__(weak, Corruption(rows, groups, share), 1, seed, name)
        self._config = {
            "rows": None if rows is None else rows.tolist(),
            "share": share,
            "weak_share": weak_share,
            "groups": None if groups is None else np.asarray(groups).tolist(),
            "seed": seed,
        }

    def get_config(self):
        """Returns the constructor's arguments."""
        return dict(self._config)

    @classmethod
    def from_config(cls, config):
        """Makes the views that `get_config` described."""
        return cls(**config)


def _checked(rows, groups):
    """Rows and groups as arrays."""
    rows = np.asarray(rows, np.float32)
    if rows.ndim != 2 or not len(rows):
        raise ValueError(
            "`rows` are training rows (n, columns), one at least; got shape "
            f"{rows.shape}."
        )
    if not np.isfinite(rows).all():
        raise ValueError(
            "`rows` must be finite, as what is drawn of them trains the "
            "network; got NaN or infinity. Fill them as those of the streams."
        )
    columns = rows.shape[1]
    groups = np.arange(columns) if groups is None else np.asarray(groups)
    if groups.shape != (columns,):
        raise ValueError(
            f"`groups` has a number for each of {columns} columns; got shape "
            f"{groups.shape}."
        )
    return rows, groups


class Corruption(View):
    """Replaces columns by those of other rows.

    Args:
        rows: Float array `(n, columns)`; None: not known yet.
        groups: Int array `(columns,)`; None as well.
        share: As for `TableViews`.
    """

    def __init__(self, rows, groups, share):
        self.share = within("share", share, 1)
        self._rows = rows
        if rows is not None:
            _, places = np.unique(groups, return_inverse=True)
            self._places = places.astype(np.int32)

    def check(self, x):
        """Refuses what are no such rows; see `View.check`."""
        if self._rows is None:
            raise ValueError(
                "Views of tables draw from training rows, and must know some; "
                "got rows=None. Give tpl.views.table(rows)."
            )
        flat = tf.nest.flatten(x)
        columns = self._rows.shape[1]
        if len(flat) > 1 or tuple(flat[0].shape[1:]) != (columns,):
            raise ValueError(
                f"Views of tables are for one input (batch, {columns}), as the "
                f"rows that were given; got {[tuple(s.shape) for s in flat]}."
            )

    def __call__(self, x, draws):
        """Makes the view; see `View.__call__`."""
        groups = int(self._places.max()) + 1
        chosen, others = tf.unstack(draws.uniform(2, groups), axis=1)
        count = len(self._rows)
        others = tf.minimum(tf.cast(others * count, tf.int32), count - 1)
        # From a number for each group to one for each column.
        chosen = tf.gather(chosen, self._places, axis=1) < self.share
        others = tf.gather(others, self._places, axis=1)
        columns = tf.range(self._rows.shape[1])[tf.newaxis]
        columns = tf.broadcast_to(columns, tf.shape(others))
        drawn = tf.gather_nd(self._rows, tf.stack([others, columns], axis=-1))
        return tf.where(chosen, tf.cast(drawn, x.dtype), x)
