import types

import pyarrow
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.labelling import shards

CHUNK = types.SimpleNamespace(key="c")


@pytest.mark.parametrize("distribution", [False, True])
def test_what_is_written_is_read(distribution, tmp_path):
    of_model = shards.Shards(str(tmp_path), "f", distribution)
    row = {"id": "a", "label": "cat", "confidence": 0.75, "reason": None}
    row |= {"probabilities": [0.25, 0.75]} if distribution else {}
    table = pyarrow.Table.from_pylist([row], schema=of_model.schema)

    of_model.write(CHUNK, table)

    assert shards.read(of_model.path(CHUNK), list(row)).to_pylist() == [row]
    assert len(list(tmp_path.iterdir())) == 1


def test_shards_of_others_are_not_taken_for_ours():
    paths = {
        shards.Shards("folder", fingerprint, distribution).path(chunk)
        for fingerprint in "fg"
        for distribution in (False, True)
        for chunk in (CHUNK, types.SimpleNamespace(key="d"))
    }
    assert len(paths) == 8


def test_a_damaged_shard_is_one_line(tmp_path):
    (tmp_path / "x").write_bytes(b"PAR1 and nothing more")

    with pytest.raises(InputError, match="must be what bin/label wrote; got"):
        shards.read(str(tmp_path / "x"), ["id"])
