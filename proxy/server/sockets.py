"""What the kernel is told of a connection to a client, and asked of it."""

import fcntl
import socket
import sys
import termios


def enable_dead_peer_detection(sock: socket.socket, seconds: float) -> None:
    """Have the kernel end a connection whose client answers nothing for twice so many seconds: neither what was sent
    to it nor, in silence, the probes that begin after half of them. Twice, because a client that answers and does not
    read is ours to drop, after `seconds`, and the kernel must not be first."""
    options = [
        ("TCP_USER_TIMEOUT", int(seconds * 2000)),
        ("TCP_KEEPIDLE", max(1, int(seconds))),
        ("TCP_KEEPINTVL", max(1, int(seconds / 3))),
        ("TCP_KEEPCNT", 3),
    ]
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options:
        if hasattr(socket, name):  # not every system has each
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def unacknowledged(sock: socket.socket) -> int:
    """Bytes that the kernel has for the other side and that it has not taken; 0 where the system does not tell."""
    try:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
