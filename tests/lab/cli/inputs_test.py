import dataclasses
import types

from tf_pseudolabel.lab.cli import inputs, program


def test_flags_say_how_files_are_read(status_of):
    seen = []

    def main(argv):
        seen.append(inputs.options())

    reader = types.SimpleNamespace(main=main, define_flags=inputs.define_flags)
    status = status_of(reader)

    assert status() == 0
    assert status("--id_column=i", "--text_column=t", "--features_file=f") == 0
    assert [dataclasses.astuple(options) for options in seen] == [
        (None, None, None),
        ("i", "t", "f"),
    ]


def test_rows_that_could_not_be_read_are_said(capsys):
    assert inputs.status(0, "x.errors.csv") is None
    assert capsys.readouterr().err == ""

    assert inputs.status(1200, "x.errors.csv") == program.SET_ASIDE
    assert "1,200; they are listed in x.errors.csv" in capsys.readouterr().err
