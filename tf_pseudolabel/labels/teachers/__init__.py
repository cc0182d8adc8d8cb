"""Whose output is believed, one teacher per file."""

from tf_pseudolabel.labels.teachers.frozen import Frozen
from tf_pseudolabel.labels.teachers.inference import Inference
from tf_pseudolabel.labels.teachers.lagged import Lagged
from tf_pseudolabel.labels.teachers.teacher import Teacher
from tf_pseudolabel.labels.teachers.training import Training

__all__ = ["Frozen", "Inference", "Lagged", "Teacher", "Training"]
