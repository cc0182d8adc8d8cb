"""No selection."""

from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.registry import register


@register("selection", "all", help="every row", says="all rows count")
class All(Selection):
    """Every row counts: Lee's choice (2013). No threshold."""

    def __init__(self, name=None):
        super().__init__(name=name)

    def row_weights(self, context, beliefs):
        """Returns None, for all rows; see `Selection.row_weights`."""
        return None

    def get_config(self):
        """Returns the constructor's arguments: none."""
        return {}
