"""Kernel settings and queries for a connection to a client."""

import fcntl
import socket
import sys
import termios


def enable_dead_peer_detection(sock: socket.socket, seconds: float) -> None:
    """Let the kernel end a connection whose client answers nothing for twice `seconds`.

    This covers sent data, and the probes that begin after half of `seconds` in silence. The kernel waits twice as long
    because the gateway itself drops, after `seconds`, a client that answers but does not read.
    """
    options = [
        ("TCP_USER_TIMEOUT", int(seconds * 2000)),
        ("TCP_KEEPIDLE", max(1, int(seconds))),
        ("TCP_KEEPINTVL", max(1, int(seconds / 3))),
        ("TCP_KEEPCNT", 3),
    ]
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options:
        if hasattr(socket, name):  # some systems lack some of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def unacknowledged(sock: socket.socket) -> int:
    """Count the bytes in the kernel that the other side has not acknowledged. Returns 0 if the system does not tell."""
    try:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
