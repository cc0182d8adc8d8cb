import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
from matplotlib import image as png

from tf_pseudolabel.lab.analysis import projector

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(256, size=(5, 14, 14, 1)).astype("uint8")
LABELS = np.array([0, 1, 2, 1, 0])
OUTPUTS = {
    "supervised": RNG.uniform(size=(5, 3)).astype("float32"),
    "pseudo_label": np.eye(3, dtype="float32")[LABELS],
}
NAMES = ("cat", "dog\tor wolf", "owl")


def _write(path, **changes):
    arguments = {"pictures": IMAGES[..., 0] / 255, **changes}
    projector.write(path, OUTPUTS, LABELS, NAMES, **arguments)


def test_points_and_their_metadata(tmp_path):
    _write(tmp_path)
    for name, outputs in OUTPUTS.items():
        found = np.loadtxt(tmp_path / f"{name}.tsv", delimiter="\t")
        np.testing.assert_allclose(found, outputs, rtol=1e-5)
    lines = (tmp_path / "metadata.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["class", "supervised", "pseudo_label"]
    assert [line.split("\t")[0] for line in lines[1:]] == [
        *("cat", "dog or wolf", "owl", "dog or wolf", "cat")
    ]
    assert [line.split("\t")[2] for line in lines[1:]] == [
        line.split("\t")[0] for line in lines[1:]
    ]


def test_thumbnails_lie_row_by_row(tmp_path):
    """Five of 28 pixels in a square of three by three; 14 pixels double."""
    _write(tmp_path)
    sheet = png.imread(tmp_path / "sprite.png")
    assert sheet.shape[:2] == (84, 84)
    fourth = sheet[28:56, 0:28, 0]
    np.testing.assert_allclose(
        fourth[::2, ::2], IMAGES[3, ..., 0] / 255, atol=0.01
    )
    assert (sheet[56:, :, 0] == 0).all()


def test_colored_images_of_any_size(tmp_path):
    pictures = np.zeros((5, 40, 60, 3), "float32")
    pictures[1, ..., 2] = 1
    _write(tmp_path, pictures=pictures)
    sheet = png.imread(tmp_path / "sprite.png")
    np.testing.assert_allclose(sheet[5, 30, :3], [0, 0, 1])


def test_tensorboard_serves_it(tmp_path):
    """A real server, asked for what its page asks for."""
    _write(tmp_path)
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "tensorboard.main"),
            *("--logdir", str(tmp_path), "--port", "0", "--load_fast=false"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(
            word
            for line in server.stderr
            for word in line.split()
            if word.startswith("http://")
        )

        def get(path):
            for _ in range(50):
                try:
                    url = f"{address}data/plugin/projector/{path}"
                    with urllib.request.urlopen(url) as answer:
                        return answer.read()
                except urllib.error.HTTPError:
                    time.sleep(0.2)
            raise AssertionError(path)

        info = json.loads(get("info?run=."))
        assert [e["tensorName"] for e in info["embeddings"]] == [*OUTPUTS]
        values = np.frombuffer(get("tensor?run=.&name=supervised"), np.float32)
        np.testing.assert_allclose(
            values.reshape(5, 3), OUTPUTS["supervised"], rtol=1e-5
        )
        assert get("metadata?run=.&name=supervised").startswith(b"class\t")
        assert get("sprite_image?run=.&name=supervised")[1:4] == b"PNG"
    finally:
        server.terminate()
        server.communicate()
