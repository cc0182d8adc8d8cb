"""BUILD.md names what can be run, and every module has a test of its path."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
TEXT = (ROOT / "BUILD.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "tf_pseudolabel"
PROGRAMS = [
    *(path for path in (ROOT / "bin").iterdir() if path.suffix != ".sh"),
    *(
        path
        for path in (ROOT / "benchmarks").glob("*.py")
        if "__main__" in path.read_text(encoding="utf-8")
    ),
]
MODULES = sorted(
    str(path.relative_to(PACKAGE).with_suffix(""))
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_every_program_is_named(program):
    name = program.name if program.suffix else f"bin/{program.name}"
    assert f"`{name}`" in TEXT


def test_nothing_is_named_that_does_not_exist():
    words = " ".join(re.findall("`(.+?)`", TEXT)).split()
    named = [
        word
        for word in words
        if re.fullmatch(r"(bin|\.ci)/\w+|[\w/]+\.(py|md|toml)", word)
    ]
    assert {"bin/train", ".ci/run", "setup.py", "step.py"} <= set(named)
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "benchmarks" / name).exists()


def test_installed_programs_are_those_of_setup_py():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    installed = set(re.findall(r'"(tf-pseudolabel-\w+) =', setup))
    assert installed
    assert set(re.findall(r"installed: `(.+?)`", TEXT)) == installed


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_test_of_its_path(module):
    assert (ROOT / "tests" / f"{module}_test.py").exists()
