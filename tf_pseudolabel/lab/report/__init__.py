"""One page that shows finished runs: what was done, and what came of it."""

from tf_pseudolabel.lab.report import people
from tf_pseudolabel.lab.report.page import render, save, write

__all__ = ["people", "render", "save", "write"]
