import csv
import json

import numpy as np
import pandas as pd
import pyarrow
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import predictions

LABELS = ['a, "b"\t', "<b>&$\n", "ü猫", "'"]
CONFIDENCE = np.array([0.1, 1 / 3, 1.0, 1e-9], np.float32)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_names_and_numbers_survive(tmp_path, suffix):
    columns = predictions.columns_of(1)
    table = pyarrow.table(
        [LABELS, LABELS, CONFIDENCE], predictions.schema_of(columns)
    )
    path = tmp_path / f"p{suffix}"

    with predictions.writer(path, columns) as write:
        write(table.slice(0, 3))
        write(table.slice(3))

    if suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert header == ["id", "label", "confidence"]
        found = list(zip(*rows, strict=True))
    elif suffix == ".jsonl":
        lines = path.read_text("utf-8").split("\n")[:-1]
        found = list(
            zip(*(json.loads(line).values() for line in lines), strict=True)
        )
    else:
        frame = pd.read_parquet(path)
        found = [frame[name] for name in columns]
    assert list(found[0]) == list(found[1]) == LABELS
    np.testing.assert_array_equal(
        np.array(found[2], dtype=np.float32), CONFIDENCE
    )


def test_columns():
    assert predictions.columns_of(3)[3:] == [
        "label_2",
        "confidence_2",
        "label_3",
        "confidence_3",
    ]


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.csv, \.jsonl, \.parquet; got"):
        predictions.writer(tmp_path / "p.xlsx", [])
