#!/usr/bin/env python3
"""One runner for every task of the project: `python3 dev.py` lists them, CI calls the same.

Standard library only, and readable by Python 3.8, so that it can say what is missing on any machine. The
first task that needs it builds `.venv` from requirements.lock (every file checked against its hash); after
that a stamp makes the check cost milliseconds. Everything else of the project runs inside `.venv`.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".celeriac-stamp"
LOCK = ROOT / "requirements.lock"
LOCK_HEADER = "# Exported from uv.lock by `python3 dev.py lock`: do not edit. Every file is pinned by hash.\n"
INDEX = "https://pypi.org/simple"  # the lock names the public index, whatever mirror this machine uses
OLDEST = (3, 11)
SYSTEM_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")


class TaskError(Exception):
    """The task cannot go on; the sentence says why and what to do."""


# --- running things ---


def environment():
    """Return the environment for what runs in .venv: no other virtualenv, no foreign import path."""
    env = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")}
    env["PATH"] = os.pathsep.join([str(VENV / "bin"), env.get("PATH", os.defpath)])
    env.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    if SYSTEM_ROOTS.exists():  # behind a company's proxy only the system's list knows its certificate
        env.setdefault("UV_SYSTEM_CERTS", "1")
    return env


def run(*command, **options):
    """Run a command in the project's root and return its exit code."""
    return subprocess.call([str(part) for part in command], cwd=str(ROOT), env=environment(), **options)


def works(*command):
    """Does this command exist and end well? Nothing is shown."""
    try:
        return run(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def become(*command):
    """Replace this process by the command, so that signals and exit codes are the command's own."""
    setup()
    sys.stdout.flush()
    os.chdir(str(ROOT))
    os.execve(str(PYTHON), [str(part) for part in (PYTHON, *command)], environment())


# --- setting up ---


def setup(_arguments=()):
    """Build or refresh .venv from requirements.lock (every task below does it by itself)."""
    check_python()
    if is_ready():
        return 0
    import fcntl  # missing on Windows, where main() has already said so

    with open(__file__) as this:
        fcntl.flock(this, fcntl.LOCK_EX)  # of two terminals the second waits, and finds the work done
        if not is_ready():
            began = time.time()
            print("Setting up .venv from requirements.lock ...", flush=True)
            build()
            STAMP.write_text(fingerprint())
            print("Set up in {0:.1f} s.".format(time.time() - began), flush=True)
    return 0


def check_python():
    """Stop with a sentence when this Python is too old for the project."""
    if sys.version_info[:2] >= OLDEST:
        return
    names = ["python3.{0}".format(minor) for minor in range(15, 10, -1)]
    newer = [name for name in names if works(name, "--version")]
    advice = "Run `{0} dev.py` instead.".format(newer[0]) if newer else "Install it and run dev.py with it."
    raise TaskError("Celeriac needs Python 3.11 or newer, this is {0}.{1}. {2}".format(*sys.version_info[:2], advice))


def fingerprint():
    """Return what the contents of .venv depend on, as one line."""
    digest = hashlib.sha256()
    for path in (LOCK, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return "{0} {1}.{2} {3}".format(digest.hexdigest(), *sys.version_info[:2], VENV)


def is_ready():
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == fingerprint()


def build():
    """Make .venv hold exactly what the lock says, and the project itself, editable."""
    if STAMP.exists():
        STAMP.unlink()
    version = "import sys; sys.exit(sys.version_info[:2] != {0!r})".format(tuple(sys.version_info[:2]))
    # --without-pip: Debian's python3 has venv but not ensurepip
    make = (sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
    if not works(PYTHON, "-c", version) and run(*make) != 0:
        raise TaskError("Could not make a virtualenv in {0}.".format(VENV))
    uv = find_uv()
    install = [*uv, "pip", "install", "-q", "--python", PYTHON] if uv else []
    if not uv or run(*install, "--require-hashes", "-r", LOCK) != 0:
        install = [*find_pip(), "install", "-q"]
        print("Installing with pip alone, which takes a little longer ...", flush=True)
        if run(*install, "--require-hashes", "-r", LOCK) != 0:
            raise TaskError("Could not install requirements.lock: pip's lines above say why (no network?).")
    strangers = installed() - set(re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(), re.MULTILINE))
    if uv and strangers:  # what an older lock brought; `uv pip sync` would take the project itself away, too
        run(*uv, "pip", "uninstall", "-q", "--python", PYTHON, *sorted(strangers))
    # hatchling is in the lock, so this step needs no network and nothing unpinned
    if run(*install, "--no-deps", "--no-build-isolation", "-e", ROOT) != 0:
        raise TaskError("Could not install the project itself into .venv: see the lines above.")


def installed():
    """Return the names of the distributions in .venv, normalised, but for pip and the project."""
    folders = VENV.glob("lib/python*/site-packages/*.dist-info")
    names = {re.sub(r"[-_.]+", "-", folder.name.split("-")[0]).lower() for folder in folders}
    return names - {"celeriac", "pip", "setuptools"}


def find_uv():
    """Return the command of uv: .venv's, the PATH's, or one put into .venv by pip; None without any."""
    own = VENV / "bin" / "uv"
    if works(own, "--version"):
        return [own]
    if shutil.which("uv") and works("uv", "--version"):
        return ["uv"]
    pinned = re.search(r"^uv==.*(?:\n[ \t].*)*", LOCK.read_text(), re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "uv.txt"
        wanted.write_text(pinned.group() if pinned else "uv\n")
        return [own] if works(*find_pip(), "install", "-q", "--require-hashes", "-r", wanted) else None


def find_pip():
    """Return a pip command that installs into .venv, whichever pip this machine has."""
    if works(PYTHON, "-m", "pip", "--version"):
        return [PYTHON, "-m", "pip"]
    from_here = [sys.executable, "-m", "pip", "--python", PYTHON]
    if works(*from_here, "--version"):
        return from_here
    if works(PYTHON, "-m", "ensurepip"):
        return [PYTHON, "-m", "pip"]
    raise TaskError(
        "{0} has no pip (22.3 or newer). Install it (on Debian and Ubuntu: apt install python3-pip), "
        "or install uv, and run this again.".format(sys.executable)
    )


# --- the tasks ---


def up(arguments):
    """Run the whole system: Valkey, web, workers, Flower (--port, --flower-port, --data, --no-flower)."""
    become("-m", "celeriac.stack", *arguments)


def jobs(arguments):
    """Steer what `up` runs: `flask jobs ...` on its Redis (submit, watch, queues, doctor, --help)."""
    data = ROOT / os.environ.get("CELERIAC_DATA", "var")
    for name, kept in (("BROKER_URL", data / "broker-url"), ("SECRET_KEY", data / "secret-key")):
        if not (os.environ.get(name) or os.environ.get("CELERIAC_" + name)) and kept.exists():
            os.environ[name] = kept.read_text().strip()
    os.environ.setdefault("CELERIAC_LOCAL", "1")
    os.environ.setdefault("FLASK_APP", "run")
    become("-m", "flask", "jobs", *arguments)


def test(arguments):
    """Run the tests (--fast leaves the slow ones out; names and options go to pytest, in one process)."""
    rest = [argument for argument in arguments if argument != "--fast"]
    quick = ["-m", "not slow"] if "--fast" in arguments else []
    # two processes a core: these tests mostly wait for servers and workers that they started
    shared = [] if rest else ["-n", str(min(8, 2 * (os.cpu_count() or 1))), "--no-loadscope-reorder"]
    become("-m", "pytest", "--durations=10", *quick, *shared, *rest)


def lint(_arguments):
    """Check style, types and that the lock files are equal (ruff, mypy, uv)."""
    setup()
    checks = [
        ("ruff check", (PYTHON, "-m", "ruff", "check", ".")),
        ("ruff format", (PYTHON, "-m", "ruff", "format", "--check", ".")),
        ("mypy", (PYTHON, "-m", "mypy")),
        ("uv lock", (*uv_lock(), "--check", "--offline")),
    ]
    failed = [name for name, command in checks if run(*command) != 0]
    if LOCK.read_text() != exported():
        print("requirements.lock differs from uv.lock: run `python3 dev.py lock`.", flush=True)
        failed.append("requirements.lock")
    print("lint: " + ("failed: " + ", ".join(failed) if failed else "all well"), flush=True)
    return 1 if failed else 0


def lock(_arguments):
    """Write uv.lock and requirements.lock anew after pyproject.toml has changed."""
    setup_for_lock()
    if run(*uv_lock()) != 0:
        raise TaskError("uv could not resolve pyproject.toml: see the lines above.")
    LOCK.write_text(exported())
    return setup()


def setup_for_lock():
    """Have a .venv with uv in it, even while pyproject.toml is ahead of the lock."""
    if not works(VENV / "bin" / "uv", "--version"):
        setup()


def uv_lock():
    return (VENV / "bin" / "uv", "lock", "-q", "--no-config", "--default-index", INDEX, "--python", PYTHON)


def exported():
    """Return what requirements.lock must hold according to uv.lock."""
    quiet = ["-q", "--no-config", "--frozen", "--no-emit-project", "--no-header", "--no-annotate"]
    command = [str(VENV / "bin" / "uv"), "export", *quiet]
    return LOCK_HEADER + subprocess.check_output(command, cwd=str(ROOT), env=environment()).decode()


def bench(arguments):
    """Measure speed, ours beside others' (names of benchmarks pick some)."""
    become("-m", "benchmarks", *arguments)


def chaos(arguments):
    """Break things for a while and count what was lost (--minutes N, --seed N)."""
    become("-m", "tests.chaos", *arguments)


TASKS = (up, jobs, test, lint, lock, setup, bench, chaos)


def main(arguments):
    """Run one task, or list them all; return the exit code."""
    tasks = {task.__name__: task for task in TASKS}
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print("python3 dev.py TASK\n")
        for name, task in tasks.items():
            print("  {0:<6} {1}".format(name, task.__doc__))
        return 0
    if arguments[0] not in tasks:
        print("There is no task {0!r}. The tasks: {1}.".format(arguments[0], ", ".join(tasks)), file=sys.stderr)
        return 2
    if os.name != "posix":
        print("Celeriac runs on Linux and macOS. On Windows, run this inside WSL.", file=sys.stderr)
        return 69
    try:
        return tasks[arguments[0]](arguments[1:])
    except TaskError as error:
        print("dev.py: {0}".format(error), file=sys.stderr)
        return 69
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
