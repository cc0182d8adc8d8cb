import csv
import json
import pathlib
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

import tf_pseudolabel as tpl
from tf_pseudolabel.lab.data.kinds import Encoding, Images
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import requests, saved_model
from tf_pseudolabel.lab.serving.labelling import job, scoring, writing
from tf_pseudolabel.lab.serving.labelling.job import Job
from tf_pseudolabel.lab.serving.labelling.keeping import Keep
from tf_pseudolabel.lab.serving.labelling.shards import Shards
from tf_pseudolabel.lab.serving.requests import arrays
from tf_pseudolabel.lab.serving.served import Served


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(arrays, "MOST_ROWS", 10)
    monkeypatch.setattr(writing, "_ROWS", 25)
    monkeypatch.setattr(writing, "_AT_ONCE", 7)


@pytest.fixture
def scored(monkeypatch):
    """Keys of chunks, as their shards are written."""
    keys, write = [], Shards.write

    def noted(shards, chunk, table):
        keys.append(chunk.key)
        write(shards, chunk, table)

    monkeypatch.setattr(Shards, "write", noted)
    return keys


@pytest.fixture
def label(model, tmp_path):
    """Labels files of `tmp_path`: `(*names, **values) -> summary`."""

    def call(*names, output="out", model=model, **values):
        inputs = tuple(str(tmp_path / name) for name in names)
        return job.run(Job(model, inputs, str(tmp_path / output), **values))

    return call


def _answers(model, rows):
    served = Served(model)
    (name,) = served.inputs
    return served.answer({name: rows})


def _files(folder):
    return {
        x.relative_to(folder): x.read_bytes()
        for x in sorted(folder.rglob("*"))
        if x.is_file()
    }


def test_labels_are_what_the_model_answers(
    label, model, names, vectors, tmp_path
):
    rows = vectors(count=57)
    answer = _answers(model, rows)

    summary = label("x.npy", distribution=True)

    # At most 25 rows behind a file, of chunks of 10.
    files = [f"labels/labels-0000{x}-of-00003.parquet" for x in range(3)]
    assert summary["files"] == files
    found = pd.read_parquet(tmp_path / "out" / "labels")
    assert list(found["id"]) == [f"{tmp_path / 'x.npy'}:{x}" for x in range(57)]
    assert list(found["label"]) == list(answer["label"])
    np.testing.assert_allclose(
        np.stack(found["probabilities"]), answer["probabilities"], rtol=1e-5
    )
    np.testing.assert_allclose(
        found["confidence"], answer["confidence"], rtol=1e-5
    )
    assert set(found["source"]) == {"model"}
    assert set(found["teacher"]) == {Served(model).fingerprint}
    assert summary == json.loads((tmp_path / "out/summary.json").read_text())
    counts = {x["label"]: x["seen"] for x in summary["classes"]}
    assert list(counts) == list(names)
    assert counts == found["label"].value_counts().to_dict()


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_rules_and_repetition_are_written(
    kind, label, model, vectors, tmp_path
):
    answer = _answers(model, vectors(count=57))
    order = np.argsort(-answer["confidence"], kind="stable")
    best = {
        row: 1
        for name in set(answer["label"])
        for row in [x for x in order if answer["label"][x] == name][:8]
    }

    summary = label(
        "x.npy", keep=Keep(most_per_class=8, balance=True), kind=kind
    )

    rows = {f"{tmp_path / 'x.npy'}:{x}" for x in best}
    folder = tmp_path / "out" / "labels"
    if kind == "parquet":
        found = pd.read_parquet(folder)["id"]
    else:
        spec = {
            "confidence": tf.io.FixedLenFeature((), tf.float32),
            **{
                name: tf.io.FixedLenFeature((), tf.string)
                for name in ("id", "label", "source", "teacher")
            },
        }
        files = [str(x) for x in sorted(folder.iterdir())]
        records = list(tf.data.TFRecordDataset(files).batch(1000))
        parsed = tf.io.parse_example(records[0], spec)
        found = [x.decode() for x in parsed["id"].numpy()]
        # Names of classes of all kinds survive.
        assert {x.decode() for x in parsed["label"].numpy()} == set(
            answer["label"]
        )
    assert set(found) == rows
    most = max(x["kept"] for x in summary["classes"])
    assert {x["written"] for x in summary["classes"]} == {most}
    assert len(found) == 3 * most == summary["rows"]["written"]


def test_the_same_input_makes_the_same_files(label, vectors, tmp_path):
    vectors(count=57)
    given = {"keep": Keep(share=0.5, balance=True), "distribution": True}
    label("x.npy", **given)
    label("x.npy", output="again", **given)

    assert _files(tmp_path / "out") == _files(tmp_path / "again")


def test_a_restart_does_what_is_missing(label, vectors, scored, tmp_path):
    vectors(count=57)
    label("x.npy")
    first, whole = [*scored], _files(tmp_path / "out")
    shards = sorted((tmp_path / "out" / "scores").iterdir())
    shards[0].unlink()
    shards[3].unlink()
    # What a process leaves behind that is killed as it writes.
    (tmp_path / "out/scores/.half-x.parquet").write_bytes(b"PAR1")
    (tmp_path / "out/.labels").mkdir()
    (tmp_path / "out/.labels/.half-labels-00000-of-00001.parquet").touch()
    scored.clear()

    label("x.npy")

    assert len(first) == 6
    assert sorted(scored) == sorted(
        x.name.rsplit("-", 2)[0] for x in (shards[0], shards[3])
    )
    assert _files(tmp_path / "out") == whole
    scored.clear()
    # Other rules ask the model for nothing.
    label("x.npy", keep=Keep(confidence=0.9))
    assert not scored


def test_a_shard_that_a_disk_damaged_is_one_line(label, vectors, tmp_path):
    vectors(count=5)
    label("x.npy")
    (shard,) = (tmp_path / "out" / "scores").iterdir()
    shard.write_bytes(b"")
    with pytest.raises(InputError, match=r"got: .*; delete it, and give the s"):
        label("x.npy")


def test_an_input_that_changes_is_done_again_alone(
    label, vectors, scored, tmp_path
):
    for number, name in enumerate("abc"):
        vectors(name, 5, number)
    label("a.npy", "b.npy", "c.npy")
    scored.clear()
    vectors("b", 6, 7)
    vectors("d", 3, 8)

    summary = label("b.npy", "c.npy", "d.npy", output="out")

    assert len(scored) == 2
    found = pd.read_parquet(tmp_path / "out" / "labels")["id"]
    assert [x.rpartition("/")[2] for x in found] == [
        *(f"b.npy:{x}" for x in range(6)),
        *(f"c.npy:{x}" for x in range(5)),
        *(f"d.npy:{x}" for x in range(3)),
    ]
    assert summary["rows"]["seen"] == 14


def test_another_model_scores_anew(label, model, vectors, scored, tmp_path):
    vectors(count=20)
    label("x.npy")
    other = shutil.copytree(model, tmp_path / "other")
    (other / "assets" / "more.txt").parent.mkdir(exist_ok=True)
    (other / "assets" / "more.txt").touch()
    scored.clear()

    summary = label("x.npy", model=other)

    assert len(scored) == 2
    teachers = pd.read_parquet(tmp_path / "out" / "labels")["teacher"]
    assert set(teachers) == {summary["teacher"]} != {Served(model).fingerprint}


def test_broken_records_are_set_aside(label, model, tmp_path):
    feature = {"name": "v", "dtype": "float32", "shape": [3]}
    given = {"input": feature, "label": {"name": "l", "dtype": "int64"}}
    (tmp_path / "f.json").write_text(json.dumps(given))
    path = tmp_path / "x.tfrecord"
    rows = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            of_floats = tf.train.FloatList(value=row)
            value = {"v": tf.train.Feature(float_list=of_floats)}
            features = tf.train.Features(feature=value)
            example = tf.train.Example(features=features)
            writer.write(example.SerializeToString())
    content = bytearray(path.read_bytes())
    size, broken = len(content) // 200, [3, 199]
    for row in broken:
        content[row * size + 20] ^= 1
    path.write_bytes(content)
    options = requests.Options(features_file=str(tmp_path / "f.json"))

    summary = label("x.tfrecord", options=options)

    assert summary["rows"]["unreadable"] == 2
    assert summary["rows"]["written"] == 198
    with (tmp_path / "out" / "unreadable.csv").open() as file:
        aside = list(csv.DictReader(file))
    assert [x["id"] for x in aside] == [f"{path}:{x}" for x in broken]
    assert all("corrupted" in x["reason"] for x in aside)
    good = np.delete(rows, broken, axis=0)
    found = pd.read_parquet(tmp_path / "out" / "labels")
    assert list(found["label"]) == list(_answers(model, good)["label"])
    with pytest.raises(InputError, match=r"got \S+x.tfrecord:3: .*corrupted"):
        label("x.tfrecord", options=options, stop=True)


def test_stop_ends_at_the_first_bad_row(label, vectors, scored, tmp_path):
    rows = vectors(count=57)
    rows[12] = np.nan
    np.save(tmp_path / "x.npy", rows)
    with pytest.raises(InputError, match=r"x.npy:12: NaN or infinity; mend it"):
        label("x.npy", stop=True)
    assert len(scored) < 6
    assert not (tmp_path / "out" / "labels").exists()

    assert label("x.npy")["rows"] == {
        **{"seen": 56, "kept": 56, "written": 56},
        **{"labeled_by_people": 0, "unreadable": 1},
    }
    assert len(scored) == 6
    # Nothing is unreadable any more.
    vectors(count=57)
    label("x.npy")
    assert not (tmp_path / "out" / "unreadable.csv").exists()


def test_what_the_model_answers_with_nan_is_set_aside(
    label, vectors, monkeypatch
):
    vectors(count=3)
    answer = Served.answer

    def broken(model, inputs):
        found = answer(model, inputs)
        found["confidence"][1] = np.nan
        return found

    monkeypatch.setattr(Served, "answer", broken)
    rows = label("x.npy")["rows"]
    assert (rows["seen"], rows["unreadable"]) == (2, 1)


def test_people_win(label, names, vectors, tmp_path):
    vectors(count=30)
    path = tmp_path / "x.npy"
    with (tmp_path / "r.csv").open("w", newline="") as file:
        rows = [
            ("id", "label"),
            (f"{path}:4", names[0]),
            (f"{path}:9", names[2]),
        ]
        csv.writer(file).writerows(rows)

    summary = label(
        "x.npy",
        review=str(tmp_path / "r.csv"),
        keep=Keep(most_per_class=1),
        distribution=True,
    )

    found = pd.read_parquet(tmp_path / "out" / "labels").set_index("label")
    assert found.loc[names[0], "id"] == f"{path}:4"
    assert found.loc[names[2], "id"] == f"{path}:9"
    assert found.loc[[names[0], names[2]], "confidence"].tolist() == [1, 1]
    assert list(found.loc[names[2], "probabilities"]) == [0, 0, 1]
    assert list(found["source"]).count("person") == 2
    assert found.loc[names[1], "source"] == "model"
    assert summary["rows"]["labeled_by_people"] == 2


def _quoted(text):
    return text.replace('"', '""').encode()


def test_people_must_name_rows(label, names, vectors, tmp_path):
    vectors(count=3)
    path = tmp_path / "r.csv"
    for written, message in [
        ((b"nobody", names[0]), "can be read; got nobody; leave"),
        ((b"n\xff", names[0]), r"can be read; got n\\xff; leave"),
        ((b"x", "bird"), "(?s)a label is empty or one of .*; got 'bird' for x"),
    ]:
        name, given = written
        path.write_bytes(b'id,label\n%b,"%b"\n' % (name, _quoted(given)))
        with pytest.raises(InputError, match=message):
            label("x.npy", review=str(path))
    assert not (tmp_path / "out" / "labels").exists()


def test_a_model_of_others_says_nothing_of_its_classes(
    label, vectors, tmp_path
):
    classifier = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    served = tpl.serving.with_labels(classifier, ["p", "q"])
    served.export(tmp_path / "other", verbose=False)
    vectors(count=12)

    summary = label("x.npy", model=tmp_path / "other")

    assert summary["rows"]["written"] == 12
    assert [x["label"] for x in summary["classes"]] == ["p", "q"]
    # Not every class is seen.
    vectors("one", 1)
    label("one.npy", model=tmp_path / "other", distribution=True)
    found = pd.read_parquet(tmp_path / "out" / "labels")["probabilities"]
    assert [len(x) for x in found] == [2]
    with pytest.raises(InputError, match="--review needs a model that names"):
        label("x.npy", model=tmp_path / "other", review="r.csv")


def test_a_folder_of_images_that_changes(label, scored, tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "MOST_FILES", 4)
    kind = Images(shape=(4, 4, 1))
    classifier = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    encoding = Encoding(tf.TensorSpec((4, 4, 1), tf.uint8))
    model = tmp_path / "model"
    classes = ["p", "q"]
    saved_model.write(classifier, encoding, kind, classes, "softmax", model)
    (tmp_path / "many").mkdir()

    def draw(name, value):
        pixels = np.full((4, 4), value, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "many" / f"{name}.png")

    for number in range(12):
        draw(f"{number:02} $, 日本", number)
    (tmp_path / "many" / "03 $, 日本.png").write_bytes(b"no picture")
    assert label("many", model=model)["rows"] == {
        **{"seen": 11, "kept": 11, "written": 11},
        **{"labeled_by_people": 0, "unreadable": 1},
    }
    scored.clear()
    draw("03 $, 日本", 3)
    (tmp_path / "many" / "11 $, 日本.png").unlink()
    draw("12 $, 日本", 12)

    rows = label("many", model=model)["rows"]

    assert (rows["seen"], rows["unreadable"]) == (12, 0)
    # The first and the last of three chunks.
    assert len(scored) == 2
    found = pd.read_parquet(tmp_path / "out" / "labels")["id"]
    numbers = [*range(11), 12]
    assert [x.rpartition("/")[2] for x in found] == [
        f"{number:02} $, 日本.png" for number in numbers
    ]


def test_a_directory_of_others_stays_as_it_is(label, vectors, tmp_path):
    vectors(count=3)
    (tmp_path / "mine" / "labels").mkdir(parents=True)
    (tmp_path / "mine" / "labels" / "labels-of-cats.txt").touch()
    with pytest.raises(InputError, match=r"mine, which holds labels; name"):
        label("x.npy", output="mine")
    (tmp_path / "mine" / "scores").mkdir()
    with pytest.raises(InputError, match="must be a folder of bin/label alone"):
        label("x.npy", output="mine")
    assert (tmp_path / "mine" / "labels" / "labels-of-cats.txt").exists()
    with pytest.raises(InputError, match=r"can be written; got \S+x.npy "):
        label("x.npy", output="x.npy")


def test_an_input_that_vanishes_is_one_line(label, vectors, monkeypatch):
    vectors(count=30)
    chunks = requests.chunks

    def vanishing(model, paths, options):
        yield from chunks(model, paths, options)
        pathlib.Path(paths[0]).unlink()

    monkeypatch.setattr(requests, "chunks", vanishing)
    with pytest.raises(InputError) as error:
        label("x.npy")
    assert "No such file" in str(error.value)
    assert "while running" not in str(error.value)


def test_nothing_to_label(label, names, vectors, tmp_path):
    vectors(count=0)
    summary = label("x.npy", keep=Keep(share=0.5, balance=True))
    assert summary["rows"]["written"] == 0
    assert len(pd.read_parquet(tmp_path / "out" / "labels")) == 0
    assert [x["label"] for x in summary["classes"]] == list(names)


def test_a_model_that_changes_meanwhile_is_refused(model, tmp_path):
    with pytest.raises(InputError, match="must stay as it is while rows"):
        scoring.opened(model, "another")
