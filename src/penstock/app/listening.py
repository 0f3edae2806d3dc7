"""Sockets that a gateway listens on."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Mapping
from contextlib import ExitStack

from penstock.config import ConfigError, Problem

BACKLOG = 4096
_DOORS = 32
_BIND_CURES: Mapping[int, tuple[str, str]] = {
    errno.EADDRINUSE: ("server.port", "choose another with --port, or stop who has it"),
    errno.EACCES: ("server.port", "choose one above 1023 with --port"),
}


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``ConfigError`` for an address that is not to be had."""
    return _bind(host, port, shared=False)


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, reuse_port=shared)
    except OSError as error:
        number = error.errno or 0
        # The text of `create_server` says the address again; names that cannot be resolved have numbers of their own.
        reason = os.strerror(number) if number > 0 else error.strerror or str(error)
        setting, cure = _BIND_CURES.get(number, ("server.host", "give an address of this machine with --host"))
        what = f"{host}:{port} cannot be listened on: {reason.lower()}"
        raise ConfigError([Problem(0, 0, setting, what, cure)]) from None


def bind_each(host: str, port: int, count: int) -> list[socket.socket]:
    """``count`` sockets that listen on one address, among which the kernel spreads connections (``SO_REUSEPORT``).

    Raises ``ConfigError`` for an address that is not to be had.
    """
    # Whoever shares the port would be let in beside: one that is alone tells of another gateway.
    with bind(host, port) as alone:
        address, port = alone.getsockname()[:2]
    with ExitStack() as opened:
        listeners = [opened.enter_context(_bind(address, port, shared=True)) for _ in range(count)]
        opened.pop_all()
    return listeners


def doors(listener: socket.socket) -> list[socket.socket]:
    """The listener and duplicates of it, each to be accepted on; a server that takes them closes them.

    libuv accepts one connection of a socket a turn (https://github.com/libuv/libuv/pull/3696, 2022), and a turn that
    relays hundreds of streams takes 20 ms: 1,000 opened together had p99 2.2 s to the first byte with one, 0.5 s so.
    """
    return [listener, *(listener.dup() for _ in range(_DOORS - 1))]


def bind_again(listener: socket.socket) -> socket.socket:
    """A socket on the same shared address that listens only when somebody serves on it; ``listener`` is closed.

    Raises ``OSError``, and then ``listener`` stays as it is.
    """
    again = socket.socket(listener.family)
    try:
        if again.family == socket.AF_INET6:
            again.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        again.bind(listener.getsockname())
    except BaseException:
        again.close()
        raise
    listener.close()
    return again


def shown(listener: socket.socket) -> str:
    """The address as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def raise_open_files_limit() -> None:
    """Raise the soft limit on open files to the hard one: a connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
