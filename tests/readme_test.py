"""The Python blocks of README.md and docs/ run, in order, as they stand.

Blocks of one file share a namespace. A line `<!-- not run: reason -->` above a
block excuses it.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import tf_pseudolabel

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(
    r"^(?P<excuse><!-- not run: .+ -->\n\s*)?"
    r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
# Compiled at its own lines, so that a traceback names lines of the document.
RUNNER = """
import json, pathlib, sys
document, blocks = json.load(sys.stdin)
namespace = {"__name__": "__main__"}
for line, code in blocks:
    print(f"block at line {line} of {pathlib.Path(document).name}", flush=True)
    exec(compile("\\n" * line + code, document, "exec"), namespace)
"""


def blocks_of(text):
    """Returns `(line of the fence, code)` of every block that is to run."""
    return [
        (
            text.count("\n", 0, match.start("indent")) + 1,
            re.sub(f"^{match['indent']}", "", match["code"], flags=re.M),
        )
        for match in BLOCK.finditer(text)
        if not match["excuse"]
    ]


def run(document, blocks, cwd):
    package = pathlib.Path(tf_pseudolabel.__file__).parents[1]
    path = [str(package), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps([str(document), blocks]),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        capture_output=True,
        text=True,
    )


def documents():
    found = [README, *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        pytest.param(path, id=str(path.relative_to(ROOT)))
        for path in found
        if path.exists()
    ]


@pytest.mark.parametrize("document", documents())
def test_python_blocks_run(document, tmp_path):
    text = document.read_text(encoding="utf-8")
    blocks = blocks_of(text)
    if document == README:
        assert blocks, "README.md must show a Python block that runs"
    if not blocks:
        return
    done = run(document, blocks, tmp_path)
    output = f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, output


DOCUMENT = """\
```python
a = 1
```

```sh
not python
```

<!-- not run: needs a network -->
```python
download()
```

- In a list:

  ```python
  if a:
      b = a + 1
  ```

```python
assert b == 3
```
"""


def test_a_failing_block_is_named_by_its_line(tmp_path):
    document = tmp_path / "guide.md"
    document.write_text(DOCUMENT, encoding="utf-8")
    blocks = blocks_of(DOCUMENT)
    assert [line for line, _ in blocks] == [1, 16, 21]
    done = run(document, blocks, tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "block at line 21 of guide.md"
    assert 'guide.md", line 22' in done.stderr
