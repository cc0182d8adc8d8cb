"""What docs/serving.md shows is what a server of that model would say."""

import base64
import concurrent.futures
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import grpc
import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

from tf_pseudolabel.lab.data.kinds import Encoding, Images
from tf_pseudolabel.lab.serving import saved_model

PAGE = (pathlib.Path(__file__).parents[1] / "docs/serving.md").read_text(
    encoding="utf-8"
)


def _blocks(language):
    pattern = rf"(?<!-->\n)^```{language}\n(.*?)^```$"
    return re.findall(pattern, PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The names that the page's code makes, run in a directory of its own."""
    names = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        names["here"] = pathlib.Path.cwd()
        for code in _blocks("python"):
            exec(compile(code, "docs/serving.md", "exec"), names)
    yield names
    names["server"].server_close()


@pytest.fixture(scope="module")
def signatures(page):
    model = tf.saved_model.load(page["here"] / "models" / "iris" / "1")
    yield model.signatures


def _value(value):
    """A value of JSON, as TensorFlow Serving reads it."""
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, dict):
        assert [*value] == ["b64"]
        return base64.b64decode(value["b64"], validate=True)
    return value


def _rest(signatures, request):
    """TensorFlow Serving's rules of REST for requests and answers."""
    assert len({"instances", "inputs"} & request.keys()) == 1
    assert request.keys() <= {"instances", "inputs", "signature_name"}
    name = request.get("signature_name", "serving_default")
    signature = signatures[name]
    _, specs = signature.structured_input_signature
    if "inputs" in request:
        columns = request["inputs"]
    elif len(specs) == 1:
        columns = {next(iter(specs)): request["instances"]}
    else:
        assert all(row.keys() == specs.keys() for row in request["instances"])
        columns = {
            name: [row[name] for row in request["instances"]] for name in specs
        }
    assert columns.keys() == specs.keys()
    answer = signature(
        **{
            name: tf.constant(_value(column), specs[name].dtype)
            for name, column in columns.items()
        }
    )
    found = {k: v.numpy().tolist() for k, v in answer.items()}
    found["label"] = [label.decode() for label in found["label"]]
    if "inputs" in request:
        return {"outputs": found}
    rows = zip(*found.values(), strict=True)
    return {"predictions": [dict(zip(found, r, strict=True)) for r in rows]}


def _assert_alike(found, shown):
    """The same, but for digits that the page does not show."""
    tf.nest.assert_same_structure(found, shown)
    for a, b in zip(
        tf.nest.flatten(found), tf.nest.flatten(shown), strict=True
    ):
        assert a == (b if isinstance(b, str) else pytest.approx(b, abs=6e-5))


def _exchanges():
    blocks = [json.loads(block) for block in _blocks("json")]
    return [*zip(blocks[::2], blocks[1::2], strict=True)]


@pytest.mark.parametrize(("request_", "shown"), _exchanges())
def test_answers_are_those_that_the_page_shows(request_, shown, signatures):
    _assert_alike(_rest(signatures, request_), shown)


def test_the_small_server_answers_alike(page):
    page["threading"].Thread(
        target=page["server"].serve_forever, daemon=True
    ).start()
    try:
        (request, shown), *_ = _exchanges()
        body = json.dumps(request).encode()
        with urllib.request.urlopen(page["url"], body) as response:
            _assert_alike(json.load(response), shown)
        for wrong in (b"{", b"[]", b'{"instances": [{"length": 1}]}'):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(page["url"], wrong)
            assert refused.value.code == 400
            assert "error" in json.load(refused.value)
    finally:
        page["server"].shutdown()


def test_the_grpc_request_fits_the_signature(page, signatures):
    request = page["request"]
    signature = signatures[request.model_spec.signature_name]
    _, specs = signature.structured_input_signature
    assert request.model_spec.name == "iris"
    assert request.inputs.keys() == specs.keys()
    for name, tensor in request.inputs.items():
        array = tf.make_ndarray(tensor)
        assert specs[name].is_compatible_with(tf.constant(array))


def test_the_grpc_request_is_answered(page, signatures):
    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            signature = signatures[request.model_spec.signature_name]
            given = {
                name: tf.constant(tf.make_ndarray(tensor))
                for name, tensor in request.inputs.items()
            }
            response = predict_pb2.PredictResponse()
            for name, tensor in signature(**given).items():
                proto = tf.make_tensor_proto(tensor.numpy())
                response.outputs[name].CopyFrom(proto)
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Service(), server
    )
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        answer = page["ask"](page["request"], f"localhost:{port}")
    finally:
        server.stop(None).wait()
    assert repr(answer["label"]) in PAGE
    assert answer["probabilities"].shape == (2, 3)


def test_configurations_are_the_messages_they_are():
    batching, models = _blocks("proto")
    config = text_format.Parse(
        models, model_server_config_pb2.ModelServerConfig()
    )
    (served,) = config.model_config_list.config
    assert served.name == "iris"
    versions = served.model_version_policy.specific.versions
    assert {*served.version_labels.values()} <= {*versions}
    # Its message is not among the published ones.
    assert re.fullmatch(r"(\w+ \{ value: \d+ \}\n)+", batching)


@pytest.mark.parametrize(
    "command",
    [
        line
        for block in _blocks("console")
        for line in block.splitlines()
        if line.startswith("saved_model_cli")
    ],
)
def test_saved_model_cli(command, page):
    program, *arguments = shlex.split(command)
    beside = pathlib.Path(sys.executable).with_name(program)
    found = beside if beside.exists() else shutil.which(program)
    done = subprocess.run(
        [found, *arguments],
        cwd=page["here"],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = {
        "show": ["inputs['length']", "outputs['label']", "(-1, 3)"],
        "run": ["[b'setosa' b'virginica']", "[0.9145"],
    }
    assert all(part in done.stdout for part in expected[arguments[0]])


def test_contents_of_files_go_by_base64(tmp_path):
    classifier = keras.Sequential(
        [
            keras.Input((2, 3, 1), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    names = ["a", "<ü猫>"]
    kind = Images(255.0, (2, 3, 1))
    saved_model.write(
        classifier, Encoding(None), kind, names, "softmax", tmp_path / "m"
    )
    model = tf.saved_model.load(tmp_path / "m")
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3, 1) * 40
    png = base64.b64encode(tf.io.encode_png(pixels).numpy()).decode()

    by_file = _rest(
        model.signatures,
        {"signature_name": "raw", "instances": [{"b64": png}]},
    )
    by_pixels = _rest(model.signatures, {"instances": [pixels.tolist()]})

    _assert_alike(by_file, by_pixels)
    assert by_file["predictions"][0]["label"] in names
