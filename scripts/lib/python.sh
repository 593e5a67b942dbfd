# shellcheck shell=bash
# Sourced by the scripts: how they speak, and which Python they start from.

say() { printf '%s\n' "${0##*/}: $*" >&2; }

# fail MESSAGE HINT
fail() {
    printf '%s\n' "${0##*/}: $1" >&2
    printf '%s\n' "hint: $2" >&2
    exit 1
}

# Print the first Python >= 3.11 that can make an environment. A name on PATH proves nothing (pyenv leaves a command
# for every version that it ever saw), so each candidate is run.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.14 python3.13 python3.12 python3.11 python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
        [ "$candidate" != "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not a Python >= 3.11 with the venv module" \
            "unset PYTHON, or set it to the path of one"
    done
    fail "no Python >= 3.11 with the venv module on PATH" \
        "install one (Debian, Ubuntu: python3 and python3-venv), or set PYTHON to its path"
}
