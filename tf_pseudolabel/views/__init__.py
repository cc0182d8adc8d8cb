"""What each side sees: weak and strong views of the inputs."""

from tf_pseudolabel.views.draws import Draws
from tf_pseudolabel.views.images import ImageViews, images
from tf_pseudolabel.views.table import TableViews, table
from tf_pseudolabel.views.text import TextViews, text
from tf_pseudolabel.views.view import Chain, View
from tf_pseudolabel.views.views import Viewed, Views

__all__ = [
    "Chain",
    "Draws",
    "ImageViews",
    "TableViews",
    "TextViews",
    "View",
    "Viewed",
    "Views",
    "images",
    "table",
    "text",
]
