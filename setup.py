"""Metadata and dependencies; tool configuration is in pyproject.toml."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
README = ROOT / "README.md"
# Read as text: importing the package would need what is installed only later.
VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (ROOT / "tf_pseudolabel" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
).group(1)

PROGRAMS = [
    "absl-py",
    # The report: Jinja2 comes along.
    "bokeh>=3.9,<4",
    # Figures: keyword names of 3.10.
    "matplotlib>=3.10",
    # Tables and texts; pyarrow holds their strings, and reads Parquet.
    "pandas>=2.2",
    "pyarrow",
    # Reads people's images; from 11.3 on AVIF, too.
    "pillow>=11.3",
    # threadpoolctl comes along.
    "scikit-learn",
    "scipy",
    # TensorFlow 2.21 no longer brings it.
    "tensorboard",
    "tensorflow-datasets>=4.9.10",
    # tensorflow-datasets 4.9.10 imports it undeclared.
    "importlib_resources",
    # Bounds that tensorflow-datasets' own dependencies have on Python 3.10,
    # said at once: the pip that comes with 3.10 searches for minutes.
    'etils<1.14; python_version < "3.11"',
    'protobuf<=6.32; python_version < "3.11"',
]

EXPORT = [
    # Keras writes these formats with these packages, and does not bring them.
    "ai-edge-litert",
    "onnx",
    "onnxruntime",
    "openvino",
    "tf2onnx",
]
BEAM = ["apache-beam>=2.72"]

setup(
    name="tf_pseudolabel",
    version=VERSION,
    description=(
        "Pseudo-Label (Lee 2013): semi-supervised training of Keras "
        "classifiers on TensorFlow"
    ),
    long_description=(
        README.read_text(encoding="utf-8") if README.exists() else ""
    ),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["tf_pseudolabel", "tf_pseudolabel.*"]),
    package_data={"tf_pseudolabel.lab.report": ["*.jinja"]},
    # TensorFlow has no wheels for 3.14 yet; bin/environment.sh knows the range.
    python_requires=">=3.10,<3.14",
    # What the tests have seen. How Keras' trainer builds a model and scales a
    # loss under tf.distribute differs between minor versions, and no exception
    # would tell: raise a bound after `bin/test` and `bin/test -m slow`.
    install_requires=[
        "tensorflow>=2.21,<2.22",
        # 3.12 is the last for Python 3.10 and the first TensorFlow 2.21 takes.
        "keras>=3.12,<3.16",
        "numpy",
    ],
    extras_require={
        "programs": PROGRAMS,
        "export": [*PROGRAMS, *EXPORT],
        "beam": [*PROGRAMS, *BEAM],
        "dev": [
            *PROGRAMS,
            *EXPORT,
            *BEAM,
            "build",
            # Drives an installed Chromium; its own browsers are not needed.
            "playwright",
            "pytest>=8",
            # Tests in two processes at once.
            "pytest-xdist>=3.7",
            # Pinned: another version may format differently.
            "ruff==0.17.6",
            # Requests that docs/serving.md shows, checked.
            "tensorflow-serving-api",
            # So that bin/test builds its wheel without downloading anything.
            "setuptools>=77",
        ],
    },
    entry_points={
        "console_scripts": [
            "tf-pseudolabel-train = tf_pseudolabel.lab.cli.train:run",
            "tf-pseudolabel-label = tf_pseudolabel.lab.cli.label:run",
            "tf-pseudolabel-predict = tf_pseudolabel.lab.cli.predict:run",
            "tf-pseudolabel-selftrain = tf_pseudolabel.lab.cli.selftrain:run",
            "tf-pseudolabel-evaluate = tf_pseudolabel.lab.cli.evaluate:run",
            "tf-pseudolabel-export = tf_pseudolabel.lab.cli.export:run",
            "tf-pseudolabel-report = tf_pseudolabel.lab.cli.report:run",
            "tf-pseudolabel-reproduce = tf_pseudolabel.lab.cli.reproduce:run",
        ]
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
