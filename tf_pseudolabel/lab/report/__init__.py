"""One page that shows finished runs: what was done, and what came of it."""

from tf_pseudolabel.lab.report.page import render, save, write

__all__ = ["render", "save", "write"]
