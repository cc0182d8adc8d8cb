import numpy as np
import pyarrow
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import requests
from tf_pseudolabel.lab.serving.labelling import scoring
from tf_pseudolabel.lab.serving.served import Served

SCHEMA = pyarrow.schema(
    [
        ("id", pyarrow.string()),
        ("label", pyarrow.string()),
        ("confidence", pyarrow.float32()),
        ("reason", pyarrow.string()),
    ]
)


def test_a_chunk_becomes_a_table(model, vectors, tmp_path):
    rows = vectors(count=20)
    rows[3] = np.nan
    np.save(tmp_path / "x.npy", rows)
    served = Served(model)
    chunks = requests.chunks(
        served, [str(tmp_path / "x.npy")], requests.Options()
    )
    teacher = scoring.Teacher(served, SCHEMA)

    (found,) = teacher.run_inference(list(chunks), teacher.load_model())

    table = found.inference.to_pandas().set_index("id")
    bad = f"{tmp_path}/x.npy:3"
    assert table["reason"].dropna().to_dict() == {bad: "NaN or infinity"}
    (name,) = served.inputs
    answer = served.answer({name: np.delete(rows, 3, axis=0)})
    good = table.drop(bad)
    assert list(good["label"]) == list(answer["label"])
    np.testing.assert_allclose(
        good["confidence"], answer["confidence"], rtol=1e-6
    )


def test_a_row_that_cannot_be_read_is_refused_where_it_is_asked():
    good = pyarrow.table([["a"], ["p"], [0.5], [None]], SCHEMA)
    bad = pyarrow.table([["b"], [None], [None], ["empty"]], SCHEMA)

    scoring.refuse_unreadable(good)
    with pytest.raises(InputError, match="got b: empty; mend it"):
        scoring.refuse_unreadable(pyarrow.concat_tables([good, bad]))
