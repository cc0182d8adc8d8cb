import numpy as np
import pyarrow
import pyarrow.parquet

from tf_pseudolabel.lab.serving.labelling.rows import Reader


def test_people_are_surer_than_any_model(tmp_path):
    path = str(tmp_path / "a.parquet")
    table = pyarrow.table(
        {
            "id": ["x", "broken", "y", "z"],
            "label": ["p", None, "q", "p"],
            "confidence": pyarrow.array([0.5, None, 1, 0.75], "float32"),
            "reason": [None, "no file", None, None],
            "probabilities": [[0.5, 0.5], None, [0, 1], [0.75, 0.25]],
        }
    )
    pyarrow.parquet.write_table(table, path)

    reader = Reader((path,), ("p", "q"), {"x": "q", "elsewhere": "p"})
    (rows,) = reader
    wide = reader.read(0, "probabilities")

    assert rows.table.to_pydict() == {
        "id": ["x", "y", "z"],
        "label": ["q", "q", "p"],
        "confidence": [1, 1, 0.75],
        "source": ["person", "model", "model"],
    }
    assert rows.classes.tolist() == [1, 1, 0]
    assert np.argsort(-rows.ranks).tolist() == [0, 1, 2]
    assert rows.bad.to_pylist() == [{"id": "broken", "reason": "no file"}]
    assert wide.table["probabilities"].to_pylist() == [
        *([0, 1], [0, 1], [0.75, 0.25])
    ]
