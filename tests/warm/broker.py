"""`broker.py LISTENER PYTHON`: give each call to the process in stock for it; end with the stdin.

A process is put in stock for the third call with the same options and variables (Snakemake's for the first with those
of the tests); calls before it are refused, and so are those that no process in stock can do.
"""

import json
import os
import selectors
import socket
import struct
import subprocess
import sys
from pathlib import Path

SINGLE = (
    *("PATH", "PYTHONPATH", "PWD", "OLDPWD", "SHLVL", "_", "TRIPTYCH_TESTS_WARM"),
    *("COVERAGE_PROCESS_START", "MUTANTS_CONTEXT"),
)
"""Variables that nothing reads while libraries are imported."""

MODULES = ("triptych", "triptych.console", "snakemake")
REFUSED = 2
"""How many calls of a kind begin cold before a process is put in stock."""

MOST = 5
"""Processes in stock, of some 400 MB each."""


def fate_of(request):
    """What a process in stock must have been started with for a call, as a key; None if a real process must do it."""
    arguments = list(request["arguments"])
    options = []
    while arguments[:1] == ["-W"]:
        options += arguments[:2]
        del arguments[:2]
    if len(arguments) < 2 or arguments[0] != "-m" or arguments[1] not in MODULES:
        return None
    if request["rights"] != OWN or os.path.exists(os.path.join(request["directory"], "matplotlibrc")):
        return None
    return key_of(arguments[1], options, request["environment"])


def key_of(module, options, environment):
    kept = {name for name in environment if name not in SINGLE and not name.startswith("PYTEST_")}
    return json.dumps([module, options, sorted((name, environment[name]) for name in kept)])


def usual(request):
    """Whether it is a call of Snakemake with the variables of the tests; pytest has two of its own as it starts."""
    mine, theirs = ({**variables} for variables in (os.environ, request["environment"]))
    for name in ("COLUMNS", "LINES"):
        mine.pop(name, None), theirs.pop(name, None)
    return request["arguments"][:2] == ["-m", "snakemake"] and key_of("", [], mine) == key_of("", [], theirs)


class Stock:
    """A process in stock, and the socket on which it takes calls."""

    def __init__(self, python, key):
        module, options, variables = json.loads(key)
        own, other = socket.socketpair()
        call = [python, *options, str(Path(__file__).with_name("stock.py")), str(other.fileno()), module]
        self.socket = own
        self.process = subprocess.Popen(
            call, env=dict(variables), pass_fds=[other.fileno()], stdin=subprocess.DEVNULL, stdout=2, cwd="/"
        )
        other.close()

    def take(self, content, descriptors):
        socket.send_fds(self.socket, [struct.pack("=I", len(content))], descriptors)
        self.socket.sendall(content)


def received(connection):
    """The request on a connection, and the caller's three open files."""
    connection.settimeout(60)
    head, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    length = struct.unpack("=I", head)[0]
    content = bytearray()
    while len(content) < length:
        part = connection.recv(length - len(content))
        if not part:
            raise OSError("the caller is gone")
        content += part
    return bytes(content), descriptors


def serve(connection, python, stocks, asked):
    descriptors = []
    try:
        content, descriptors = received(connection)
        request = json.loads(content)
        key = fate_of(request)
        if os.environ.get("TRIPTYCH_TESTS_WARM_LOG"):
            with open(os.environ["TRIPTYCH_TESTS_WARM_LOG"], "a") as log:
                log.write(json.dumps([key, request["arguments"][:5]]) + "\n")
        if key is not None:
            asked[key] = asked.get(key, 0) + 1
            wanted = asked[key] > REFUSED or usual(request)
            if key not in stocks and wanted and len(stocks) < MOST:
                stocks[key] = Stock(python, key)
            if key in stocks and stocks[key].process.poll() is None:
                stocks[key].take(content, [*descriptors, connection.fileno()])
    except (OSError, ValueError, struct.error):
        pass  # the caller sees its connection closed, and does it itself
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        connection.close()


def main():
    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.set_inheritable(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    stocks, asked = {}, {}
    while not any(key.fileobj is sys.stdin for key, _ in selector.select()):
        connection, _ = listener.accept()
        serve(connection, sys.argv[2], stocks, asked)
    for stock in stocks.values():
        stock.socket.close()
        stock.process.wait()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from client import rights

    OWN = rights()
    main()
