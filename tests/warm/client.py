"""What stands in for `python`: `client.py ADDRESS PYTHON ARGUMENTS` has PYTHON's ARGUMENTS done by the broker.

Where the broker refuses or is gone, it becomes PYTHON itself.
"""

import array
import json
import os
import signal
import socket
import struct
import sys

HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def rights():
    """What a fork of another process would not have: limits, rights and the user."""
    import resource

    limits = [
        resource.getrlimit(getattr(resource, name)) for name in sorted(dir(resource)) if name.startswith("RLIMIT_")
    ]
    with open("/proc/self/status") as status:
        lines = [line for line in status if line.startswith(("Uid", "Gid", "Cap", "NoNewPrivs", "Cpus_allowed_list"))]
    return json.dumps([limits, lines, os.readlink("/proc/self/ns/mnt")])


def answer(address, request):
    """The exit status as `Popen.returncode` gives it; None where the broker refuses."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    content = json.dumps(request).encode()
    connection.sendmsg(
        [struct.pack("=I", len(content))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    )
    connection.sendall(content)
    for number in HANDED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: connection.send(bytes([number])))
    status = b""
    while len(status) < 4:
        part = connection.recv(4 - len(status))
        if not part:
            break
        status += part
    return struct.unpack("=i", status)[0] if len(status) == 4 else None


def main():
    _, address, python, *arguments = sys.argv
    try:
        request = {
            "arguments": arguments,
            "directory": os.getcwd(),
            "environment": dict(os.environ),
            "program": os.path.join(os.path.dirname(address), "python"),
            "rights": rights(),
            "ignored": [int(number) for number in HANDED_ON if signal.getsignal(number) is signal.SIG_IGN],
        }
        status = answer(address, request)
    except (OSError, ValueError):
        status = None
    if status is None:
        for number in HANDED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        os.execv(python, [python, *arguments])
    if status < 0:  # a signal ended it
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
