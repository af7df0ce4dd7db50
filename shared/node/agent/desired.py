"""Makes true what the control plane wants of this node, step by step; what is true already is left alone."""

import hashlib
import json
import os
from collections.abc import Callable

from azure import Identity
from health import ACCOUNT
from machine import (
    BASE,
    PRIVATE,
    Json,
    Trouble,
    install_missing,
    is_active,
    last_line,
    log,
    read,
    read_json,
    run,
    systemctl,
    write,
)

CERTIFICATE = f"{PRIVATE}/certificate.pem"
LOGIN = f"{PRIVATE}/account.json"
PASSWORD = f"{PRIVATE}/secrets/mysql-password"
PROXY = ("haproxy.cfg", CERTIFICATE, "peers.pem")
TRUST = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class Node:
    """`state` (on disk) holds the last desired state, the secret versions we have, and what each unit was last started with."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.state: Json = {"desired": None, "applied": None, "secrets": {}, "units": {}, **read_json("state.json")}
        self.problems: dict[str, str] = {}
        for key, name in (("certificate", CERTIFICATE), ("database", LOGIN)):
            if not read(name):  # gone with the last boot
                self.state["secrets"].pop(key, None)

    def save(self) -> None:
        """Keeps the state for the next start, with or without a control plane."""
        write("state.json", json.dumps(self.state))

    def apply(self, desired: Json) -> bool:
        """Makes as much of it true as possible; true if anything changed. A step that fails does not hold up the others
        and is tried again at the next round."""
        steps: tuple[tuple[str, Callable[[Json], bool]], ...] = (
            ("guacd", self.packages),
            ("guacd", self.guacd),
            ("haproxy", self.certificate),
            ("haproxy", self.haproxy),
            ("database", self.account),
            ("web", self.guacamole),
        )
        changed = False
        problems: dict[str, str] = {}
        for name, step in steps:
            try:
                changed = step(desired) or changed
            except (Trouble, OSError, LookupError, TypeError, ValueError) as error:
                text = str(error) if isinstance(error, Trouble) else f"{step.__name__}: {type(error).__name__}"
                problems.setdefault(name, text)  # what failed first is the cause of what failed next
        for name in problems.keys() - self.problems.keys():
            log(f"{name}: {problems[name]}")
        self.problems = problems
        applied = self.state["applied"] if problems else desired["version"]
        changed = changed or applied != self.state["applied"]
        if changed or desired != self.state["desired"]:
            self.state.update(desired=desired, applied=applied)
            self.save()
        return changed

    def fetch(self, desired: Json, name: str, key: str) -> str | None:
        """The value of a secret if a version is wanted that we do not have."""
        version = desired["secrets"].get(key)
        if version is None or version == self.state["secrets"].get(key):
            return None
        return self.identity.secret(desired["vault"], name, version)

    def fetched(self, desired: Json, key: str) -> None:
        """Records that a secret's version is on disk."""
        self.state["secrets"][key] = desired["secrets"][key]
        self.save()

    def converge(self, unit: str, content: tuple[bytes, ...], action: str) -> bool:
        """Starts a unit that is down, and reloads or restarts it when what it was last started with is another content."""
        wanted = hashlib.sha256(b"\0".join(content)).hexdigest()
        if not is_active(unit):
            action = "start"
            systemctl("enable", "--now", unit)
        elif self.state["units"].get(unit) != wanted:
            systemctl(action, unit)
        else:
            return False
        log(f"{unit}: {action}")
        self.state["units"][unit] = wanted
        self.save()
        return True

    def packages(self, _: Json) -> bool:
        """The cloud-init installs them once, at the first boot; where that failed, this goes on."""
        installed = install_missing()
        if installed:
            log(f"installed {', '.join(installed)}")
        return bool(installed)

    def certificate(self, desired: Json) -> bool:
        """The certificate, and the authorities to trust between nodes: the former one's too, for other nodes may still show it."""
        pem = self.fetch(desired, "certificate", "certificate")
        if pem is None:
            return False
        trusted = authorities(pem) + authorities(read(CERTIFICATE).decode())
        replace({"peers.pem": "".join(dict.fromkeys(trusted)), CERTIFICATE: pem})
        self.fetched(desired, "certificate")
        return True

    def haproxy(self, desired: Json) -> bool:
        """A reload drops no session: the former worker carries what it has to its end."""
        if not read(CERTIFICATE):
            return False
        wanted = str(desired["haproxyConfig"])
        if wanted.encode() != read("haproxy.cfg"):
            replace({"haproxy.cfg": wanted})
        return self.converge("molcajete-haproxy", tuple(read(name) for name in PROXY), "reload")

    def guacd(self, desired: Json) -> bool:
        """A restart ends guacd's sessions, so only another version causes one."""
        versions = f"GUACAMOLE_VERSION={desired['guacamoleVersion']}\n".encode()
        if versions != read("versions.env"):
            write("versions.env", versions)
        return self.converge("molcajete-guacd", (versions,), "restart")

    def account(self, desired: Json) -> bool:
        """The node's database account, for the login check and for Guacamole."""
        value = self.fetch(desired, "node-database", "database")
        if value is not None:
            json.loads(value)["username"], json.loads(value)["password"]  # broken ones never replace the account in force
            write(LOGIN, value)
            self.fetched(desired, "database")
        account, database = read_json(LOGIN), desired["database"]
        if not database or not account:
            return False
        files = {
            ACCOUNT: (client_options(database, account), 0o600),
            # The container's user is not root; the directory above (0700) keeps everybody else on the node out.
            PASSWORD: (account["password"], 0o644),
            "guacamole.env": (guacamole_environment(database, account["username"]), 0o600),
        }
        different = [name for name, (content, _) in files.items() if content.encode() != read(name)]
        for name in different:
            write(name, *files[name])
        os.chmod(BASE / PRIVATE / "secrets", 0o755)
        return bool(different)

    def guacamole(self, desired: Json) -> bool:
        """Guacamole reads account and host at its start only, and a restart drops its sessions: only when one of them changed."""
        if not read(PASSWORD):
            return False
        content = tuple(read(name) for name in ("versions.env", "guacamole.env", PASSWORD))
        changed = self.converge("molcajete-guacamole", content, "restart")
        self.state["guacamoleVersion"] = desired["guacamoleVersion"]
        return changed


def replace(files: dict[str, str]) -> None:
    """Replaces some of HAProxy's files together, unless HAProxy finds them wrong: then those in force stay untouched."""
    configuration = files.get("haproxy.cfg") or read("haproxy.cfg").decode()
    for name, content in files.items():
        write(f"{name}.next", content)
        configuration = configuration.replace(f"/{name}", f"/{name}.next")
    if configuration:
        write("check.cfg", configuration)
        check = run("haproxy", "-c", "-f", str(BASE / "check.cfg"))
        if check.returncode != 0:
            raise Trouble(f"refused by haproxy: {first_alert(check.stderr)}")
    for name in files:
        os.replace(BASE / f"{name}.next", BASE / name)


def first_alert(text: str) -> str:
    """The first thing HAProxy complains about, short enough for a report."""
    alerts = [line.partition("config : ")[2] or line for line in text.splitlines() if "[ALERT]" in line]
    return alerts[0].strip()[:300] if alerts else last_line(text)


def authorities(pem: str) -> list[str]:
    """The certificates after the first (its chain up to the root); a self-signed one alone is its own authority."""
    found = [f"{BEGIN}{part.split(BEGIN, 1)[1]}{END}\n" for part in pem.split(END) if BEGIN in part]
    return found[1:] or found


def client_options(database: Json, account: Json) -> str:
    """An option file for the mariadb client; TLS is verified against the host's name. In its quotes only the backslash is special."""
    user, password = (str(account[key]).replace("\\", "\\\\") for key in ("username", "password"))
    return (
        f'[client]\nprotocol=tcp\nhost={database["host"]}\nport={database["port"]}\nuser="{user}"\npassword="{password}"\n'
        f"ssl-ca={TRUST}\nssl-verify-server-cert\nconnect-timeout=5\n[mariadb]\ndatabase={database['name']}\n"
    )


def guacamole_environment(database: Json, username: str) -> str:
    """The environment of the official image; `guacd` is the other container's name in their network."""
    values = {
        "GUACD_HOSTNAME": "guacd",
        "GUACD_PORT": "4822",
        "MYSQL_HOSTNAME": database["host"],
        "MYSQL_PORT": database["port"],
        "MYSQL_DATABASE": database["name"],
        "MYSQL_USERNAME": username,
        "MYSQL_PASSWORD_FILE": "/run/secrets/mysql-password",
        "MYSQL_SSL_MODE": "verify-identity",
        "ENABLE_FILE_ENVIRONMENT_PROPERTIES": "true",
        "REMOTE_IP_VALVE_ENABLED": "true",
        # HAProxy, as a container sees it: the node's address in their network (containerNetwork.ts).
        "REMOTE_IP_VALVE_INTERNAL_PROXIES": r"192\.0\.0\.1",
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())
