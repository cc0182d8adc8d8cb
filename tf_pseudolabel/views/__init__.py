"""What each side sees: weak and strong views of the inputs."""

from tf_pseudolabel.views.views import Viewed, Views

__all__ = ["Viewed", "Views"]
