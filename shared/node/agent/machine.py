"""The files and programs of this node. Every path follows from this file's own place."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

BASE = Path(__file__).resolve().parent
RUN = BASE.parent.parent / "run" / "molcajete"
PRIVATE = "private"

# Program → package. The cloud-init installs the same ones, once.
PACKAGES = {"docker": "docker.io", "haproxy": "haproxy", "mariadb": "mariadb-client-core"}

Json = dict[str, Any]


class Trouble(Exception):
    """Something expected that stands in the way; its text holds no secret and goes into logs and reports.
    `status`: an HTTP answer's, else 0; `retry_after`: the seconds that it asked for, else 0."""

    def __init__(self, text: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


def log(message: str) -> None:
    """One line into the journal."""
    print(message, file=sys.stderr, flush=True)


def read(name: str) -> bytes:
    """The content of one of our files, empty when it does not exist."""
    try:
        return (BASE / name).read_bytes()
    except FileNotFoundError:
        return b""


def write(name: str, content: str | bytes, mode: int = 0o600) -> None:
    """Replaces one of our files at once and durably, so that a power cut leaves the old or the new one."""
    path = BASE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(fresh, mode)
    os.replace(fresh, path)


def read_json(name: str) -> Json:
    """A JSON object that we wrote; an unreadable one counts as empty, for everything in it can be had again."""
    try:
        found = json.loads(read(name) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def prepare() -> None:
    """Our own directory for us alone, and in it the one for secrets: a link into /run, which is memory and does not outlive a boot."""
    os.chmod(BASE, 0o700)
    os.chdir(BASE)
    RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    link = BASE / PRIVATE
    if not link.is_symlink():
        link.symlink_to(RUN, target_is_directory=True)


def boot_id() -> str:
    """Changes at every boot: /run does not outlive one."""
    path = RUN / "boot-id"
    if not path.exists():
        path.write_text(str(uuid.uuid4()))
    return path.read_text().strip()


def run(*command: str, timeout: int = 60) -> subprocess.CompletedProcess[str]:
    """Runs a program without a shell; a missing or hanging one is Trouble."""
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble(f"{command[0]}: {type(error).__name__}") from None


def install_missing() -> list[str]:
    """Installs the packages whose program is not there, and returns them; a failure is Trouble."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if missing:
        # The first mends what an interrupted installation left behind.
        apt = ("apt-get", "-o", "DPkg::Lock::Timeout=60", "--yes")
        for command in (("dpkg", "--configure", "-a"), (*apt, "update"), (*apt, "install", *missing)):
            done = run("env", "DEBIAN_FRONTEND=noninteractive", *command, timeout=600)
            if done.returncode != 0:
                raise Trouble(f"{' '.join(command)}: {last_line(done.stderr)}")
    return missing


def systemctl(*arguments: str) -> None:
    """Raises Trouble with systemd's last words."""
    done = run("systemctl", *arguments, timeout=300)
    if done.returncode != 0:
        raise Trouble(f"systemctl {' '.join(arguments)}: {last_line(done.stderr)}")


def is_active(unit: str) -> bool:
    """Is this unit up?"""
    return run("systemctl", "is-active", "--quiet", unit).returncode == 0


def last_line(text: str) -> str:
    """What a program said last, short enough for a report."""
    return (text.strip().splitlines() or ["failed without a word"])[-1].strip()[:300]
