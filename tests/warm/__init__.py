"""Processes that begin warm: forked from one that has imported what they import.

More than half of the CPU time of a graph is Python importing torch, pandas, matplotlib and Snakemake in each process.
The program `python` that `Broker` writes takes a call such as `python -m triptych train ...` to a broker (broker.py),
which has it done by a fork of a process (stock.py) that was started with the very same options and variables and has
imported the libraries, though nothing of this package. The fork has its own memory, process id, working directory,
variables and files, and gets the signals that its caller gets; it ends when its caller is killed.

What a fork could not show is left to a real process, without a word: a variable that is rare, limits and rights that
differ, a `matplotlibrc`, the first two calls of a kind. What asks for the process itself (imports, kills, the same
bytes) calls `sys.executable`. `TRIPTYCH_TESTS_WARM_LOG=FILE pytest ...` lists the calls.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = "TRIPTYCH_TESTS_WARM"
"""The variable that names the folder with the program, where the broker runs."""

HERE = Path(__file__).parent


class Broker:
    """The broker's process and the folder with the program; both go with `stop`, or when this process ends."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="triptych-warm-"))
        address = self.folder / "socket"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(address))
        listener.listen(128)
        call = [sys.executable, "-I", "-S", HERE / "broker.py", str(listener.fileno()), sys.executable]
        self.process = subprocess.Popen(
            call, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], start_new_session=True, cwd="/"
        )
        listener.close()
        program = self.folder / "python"
        words = [sys.executable, "-I", "-S", str(HERE / "client.py"), str(address), sys.executable]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)
        os.environ[FOLDER] = str(self.folder)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        os.environ.pop(FOLDER, None)
        shutil.rmtree(self.folder, ignore_errors=True)


def program() -> str:
    """The path of a `python` whose processes begin warm, or this one's where there is no broker."""
    folder = os.environ.get(FOLDER)
    return f"{folder}/python" if folder else sys.executable


def environment() -> dict[str, str]:
    """The variables of this process, with which `python` is that program; a shell below it finds it, too."""
    folder = os.environ.get(FOLDER)
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{path}"} if folder else dict(os.environ)
