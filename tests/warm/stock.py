"""`stock.py SOCKET MODULE`: import what MODULE's processes import, then fork for each call that comes on the socket.

Nothing of this package is imported, since each call brings its own path; of Python's and other libraries only what does
nothing but define things.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
import traceback

LIBRARIES = {
    "triptych": (
        *("torch", "torch._dynamo", "torch.utils._python_dispatch", "torchvision", "numpy.random", "pandas"),
        *("scipy.special", "scipy.stats", "scipy.optimize", "matplotlib.figure", "matplotlib.backends.backend_svg"),
        *("matplotlib.backends.backend_agg", "PIL.Image", "PIL.ImageDraw", "PIL.ImageFont", "PIL.ImageOps"),
        *("pydantic", "typer", "yaml", "jinja2", "safetensors.numpy", "filelock", "psutil", "joblib", "pooch"),
        *("sklearn.datasets", "sklearn.linear_model", "multiprocessing.util", "concurrent.futures.thread"),
    ),
    "triptych.console": ("pydantic", "typer", "yaml", "psutil", "filelock", "numpy", "pandas"),
    "snakemake": (
        *("snakemake.cli", "snakemake.logging", "snakemake.scheduling.greedy", "snakemake.scheduling.milp", "pulp"),
        *("snakemake.report", "pydantic", "yaml", "numpy", "filelock", "psutil", "typer", "rich"),
    ),
}


def import_libraries(module):
    for name in LIBRARIES[module]:
        with contextlib.suppress(ImportError):  # one that this version does not have, or needs no more
            importlib.import_module(name)


def run(request, descriptors):
    """In the fork: become the process that was called for; return its exit status."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        old = getattr(sys, name)
        new = open(number, mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115  # until the end
        if name == "stderr" or new.isatty():
            new.reconfigure(line_buffering=True)
        if name != "stdin" and os.environ.get("PYTHONUNBUFFERED"):
            new.reconfigure(write_through=True)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:0] = [os.getcwd(), *path]
    importlib.invalidate_caches()
    if "COVERAGE_PROCESS_START" in os.environ:  # a new process would be measured from its start
        importlib.import_module("coverage").process_startup()
    arguments = request["arguments"]
    position = arguments.index("-m")
    module, sys.argv = arguments[position + 1], arguments[position + 1 :]
    if module != "triptych":
        sys.executable = request["program"]  # `triptych` calls it, and the Snakefile puts its folder first on PATH
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        traceback.print_exc()
        status = -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = 120  # as Python does
    return status & 0xFF if status >= 0 else status


class Server:
    """The loop: calls come, forks end, callers send signals or are gone."""

    def __init__(self, control):
        self.control = control
        self.selector = selectors.DefaultSelector()
        self.wake, wake = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake, False)
        self.ends = (self.wake, wake)
        self.before = signal.getsignal(signal.SIGCHLD)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.selector.register(control, selectors.EVENT_READ)
        self.selector.register(self.wake, selectors.EVENT_READ)
        self.callers = {}  # by process id

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.control:
                    if not self.take():
                        return
                elif key.fileobj == self.wake:
                    os.read(self.wake, 4096)
                    self.reap()
                elif key.data in self.callers:
                    self.hand_on(key.fileobj, key.data)

    def take(self):
        """Fork for the next call; False where there will be none."""
        head, descriptors, _, _ = socket.recv_fds(self.control, 4, 4)
        if len(head) < 4:
            return False
        length = struct.unpack("=I", head)[0]
        content = bytearray()
        while len(content) < length:
            content += self.control.recv(length - len(content))
        process = os.fork()
        if process == 0:
            self.become(json.loads(bytes(content)), descriptors)
        caller = socket.socket(fileno=descriptors[3])
        for descriptor in descriptors[:3]:
            os.close(descriptor)
        self.callers[process] = caller
        self.selector.register(caller, selectors.EVENT_READ, process)
        return True

    def become(self, request, descriptors):
        """In the fork: run to the end of the process."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, self.before)
            for descriptor in (*self.ends, descriptors[3], self.control.fileno()):
                os.close(descriptor)
            for caller in self.callers.values():
                caller.close()
            self.selector.close()
            status = run(request, descriptors[:3])
            if status < 0:
                signal.signal(-status, signal.SIG_DFL)
                os.kill(os.getpid(), -status)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def reap(self):
        while self.callers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            caller = self.callers.pop(process)
            if caller in self.selector.get_map():
                self.selector.unregister(caller)
            with contextlib.suppress(OSError):  # it was killed
                caller.sendall(struct.pack("=i", os.waitstatus_to_exitcode(status)))
            caller.close()

    def hand_on(self, caller, process):
        """Give the fork the signals of its caller; kill it where the caller is gone."""
        try:
            numbers = caller.recv(64) or bytes([signal.SIGKILL])
        except OSError:
            numbers = bytes([signal.SIGKILL])
        for number in numbers:
            os.kill(process, number)
        if signal.SIGKILL in numbers:
            self.selector.unregister(caller)


def main():
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    import_libraries(sys.argv[2])
    del sys.path[0]  # the folder of this file
    gc.collect()
    gc.freeze()
    server = Server(control)
    server.serve()
    for process in server.callers:
        os.kill(process, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
