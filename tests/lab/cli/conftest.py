import pytest
from absl import flags

from tf_pseudolabel.lab.cli import label

_OF_LABEL = {
    *("input", "output", "id_column", "text_column", "features_file"),
    *("confidence", "most_per_class", "share", "balance", "distribution"),
    *("format", "review", "on_bad_row", "runner"),
}


@pytest.fixture
def label_status(exit_status):
    """`exit_status` of bin/label, with the flags of this program alone."""
    theirs = {x: flags.FLAGS[x] for x in _OF_LABEL if x in flags.FLAGS}
    for name in theirs:
        delattr(flags.FLAGS, name)
    label.define_flags()
    yield lambda *arguments: exit_status(label.main, *arguments)
    for name in _OF_LABEL:
        delattr(flags.FLAGS, name)
    for name, flag in theirs.items():
        flags.FLAGS[name] = flag
