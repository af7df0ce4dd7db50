"""Stands in for guacd: accepts connections and keeps them until the other side leaves."""

import selectors
import socket
import sys


def main() -> None:
    selector = selectors.DefaultSelector()
    server = socket.create_server((sys.argv[1], int(sys.argv[2])))
    selector.register(server, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is server:
                selector.register(server.accept()[0], selectors.EVENT_READ)
            elif not received(key.fileobj):
                selector.unregister(key.fileobj)
                key.fileobj.close()


def received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


main()
