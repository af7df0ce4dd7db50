"""How the parts of this node are: HAProxy and what it watches, the database, the open sessions."""

import socket
import time
from collections.abc import Callable

from machine import BASE, PRIVATE, Json, Trouble, last_line, read, run

ACCOUNT = f"{PRIVATE}/database.cnf"
# By then HAProxy has made its first checks of this node's own servers, the first in its configuration.
FIRST_CHECK_SECONDS = 4.0


def haproxy_says(command: str) -> str:
    """Asks HAProxy's master (`@1 …` the current worker, `@!pid …` an older one). The working directory must be BASE:
    a socket's whole path may not exceed 107 characters."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect("master.sock")
            connection.sendall(f"{command}\n".encode())
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError as error:
            raise Trouble(f"haproxy's master: {type(error).__name__}") from None


def statistics(worker: str) -> list[dict[str, str]]:
    """One worker's statistics, a row a frontend, backend and server."""
    lines = [line for line in haproxy_says(f"{worker} show stat").splitlines() if "," in line]
    names = lines[0].lstrip("# ").split(",") if lines else []
    return [dict(zip(names, line.split(","))) for line in lines[1:]]


def haproxy() -> Json:
    """Is there a worker, and of which version?"""
    for line in haproxy_says("@1 show info").splitlines():
        if line.startswith("Version:"):
            return {"version": line.split(":", 1)[1].strip()}
    raise Trouble("haproxy has no worker")


def watched(backend: str) -> Json:
    """What HAProxy's own check says of this node's server. After a start or reload it calls it UP before it has looked: wait for that."""
    end = time.monotonic() + FIRST_CHECK_SECONDS
    while True:
        row = next((row for row in statistics("@1") if (row["pxname"], row["svname"]) == (backend, "local")), None)
        check = row["check_status"].lstrip("* ") if row else ""
        if row and check != "INI" or time.monotonic() > end:
            break
        time.sleep(0.2)
    if row and row["status"].startswith("UP") and check in ("L4OK", "L6OK", "L7OK"):
        return {}
    raise Trouble(f"haproxy's check says {row['status']} {check}" if row else "haproxy does not watch it")


def database() -> Json:
    """A login with the node's own account over verified TLS."""
    if not read(ACCOUNT):
        raise Trouble("no account yet")
    done = run("mariadb", f"--defaults-extra-file={BASE / ACCOUNT}", "--batch", "-e", "SELECT 1", timeout=15)
    if done.returncode != 0:
        raise Trouble(last_line(done.stderr))
    return {}


def sessions() -> dict[str, int]:
    """Open requests and tunnels to this node's Guacamole, and those passed on to a peer. A worker replaced by a reload keeps
    what it carries until it ends, so all workers count."""
    old = haproxy_says("show proc").partition("# old workers")[2].partition("# ")[0]
    workers = ["@1", *(f"@!{line.split()[0]}" for line in old.splitlines() if line[:1].isdigit())]
    counts = {"served": 0, "relayed": 0}
    for row in (row for worker in workers for row in statistics(worker)):
        if row.get("pxname") in ("guacamole", "local") and row.get("svname") not in ("FRONTEND", "BACKEND", None):
            counts["served" if row["svname"] == "local" else "relayed"] += int(row.get("scur") or 0)
    return counts


def part(check: Callable[[], Json]) -> Json:
    """One part of the report; what stands in the way becomes its detail."""
    try:
        return {"healthy": True, **check()}
    except Trouble as trouble:
        return {"healthy": False, "detail": str(trouble)}
    except (LookupError, ValueError) as error:
        return {"healthy": False, "detail": f"unexpected {type(error).__name__}"}


def parts() -> dict[str, Json]:
    """The parts of a report in its words."""
    return {
        "haproxy": part(haproxy),
        "web": part(lambda: watched("local")),
        "guacd": part(lambda: watched("guacd")),
        "database": part(database),
    }
