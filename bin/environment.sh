# Sourced by the launchers, which set $root. Sets $python to the interpreter of
# .venv, which is made first if it is missing, unfinished, older than setup.py,
# or copied along from another tree.
#
# .venv/.installing marks an installation that runs, or was cut short;
# .venv/.installed one that is complete. Both hold the path of the tree.

python=$root/.venv/bin/python
program=bin/${0##*/}

# Prints the version; fails if a .venv cannot be made with it.
probe='
import sys
print("%d.%d.%d" % sys.version_info[:3])
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
try:
    import ensurepip, venv
except ImportError:
    print("without venv")
    sys.exit(1)
'

say() {
    printf '%s: %s\n' "$program" "$1" >&2
}

is_ready() {
    installed=$root/.venv/.installed
    [ -x "$python" ] && [ -f "$installed" ] &&
        [ "$(cat "$installed")" = "$root" ] &&
        ! [ "$root/setup.py" -nt "$installed" ]
}

# Sets $supported to a Python that can make a .venv.
find_python() {
    rejected=
    for candidate in ${PYTHON:+"$PYTHON"} \
        python3 python3.13 python3.12 python3.11 python3.10; do
        command -v "$candidate" >/dev/null || continue
        if version=$("$candidate" -c "$probe" 2>/dev/null); then
            supported=$candidate
            return
        fi
        # A pyenv shim of a version not selected exists, and does not run.
        version=$(echo ${version:-does not run})
        rejected="$rejected${rejected:+, }$candidate ($version)"
    done
    say "needs Python 3.10 to 3.13; found ${rejected:-none}. Install one, or \
name it: PYTHON=/path/to/python3 $program"
    exit 1
}

# Of two launchers started at once, the second waits here for the first. The
# lock is on this shell's open file, so it goes when the shell does.
lock() {
    exec 9>>"$root/bin/environment.sh"
    "$supported" -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print(sys.argv[1], file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
' "$program: waiting for another program that is making .venv" 9>&9
}

make_environment() {
    installing=$root/.venv/.installing
    if [ -f "$installing" ] || ! "$python" -c "$probe
import pip" >/dev/null 2>&1; then
        rm -rf "$root/.venv"
    fi
    say "installing TensorFlow and the rest into .venv; takes a minute or two"
    mkdir -p "$root/.venv"
    rm -f "$root/.venv/.installed"
    printf '%s\n' "$root" >"$installing"
    log=$root/.venv/install.log
    status=0
    {
        [ -x "$python" ] || "$supported" -m venv "$root/.venv"
    } >"$log" 2>&1 9>&- &&
        "$python" -m pip install --quiet --no-input \
            --disable-pip-version-check --editable "$root[dev]" \
            >>"$log" 2>&1 9>&- || status=$?
    if [ "$status" -ne 0 ]; then
        # Refused, not cut short: what is there can be added to.
        [ "$status" -ge 128 ] || rm -f "$installing"
        say "could not make .venv; is there a network? The last lines:"
        tail -n 15 "$log" >&2
        exit "$status"
    fi
    # Keeps its time: a setup.py edited since the start is newer.
    mv "$installing" "$root/.venv/.installed"
}

if ! is_ready; then
    find_python
    lock
    is_ready || make_environment
    exec 9>&-
fi
