"""This VM's identities, the secrets they may read, and JSON over HTTP."""

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from machine import Json, Trouble

VAULT = "https://vault.azure.net"
TIMEOUT_SECONDS = 20


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the Authorization header wherever it leads."""

    def redirect_request(self, *_: Any) -> None:
        """Makes the answer itself the error."""


# No proxy either: the metadata service and the private addresses of vault and API are reached directly or not at all.
OPENER = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))


def http(url: str, headers: dict[str, str], body: Json | None = None) -> Json:
    """A JSON request and its JSON answer. Raises Trouble naming host and status, never headers or bodies."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {**headers, **({"Content-Type": "application/json"} if data else {})})
    host = urllib.parse.urlsplit(url).netloc
    try:
        with OPENER.open(request, timeout=TIMEOUT_SECONDS) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise Trouble(f"{host} answered {error.code}{error_code(error)}", error.code, retry_after(error)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        text = str(reason)[:200] if isinstance(reason, OSError) else "no JSON"
        raise Trouble(f"{host}: {type(reason).__name__}: {text}") from None
    if not isinstance(answer, dict):
        raise Trouble(f"{host} answered no JSON object")
    return answer


def error_code(error: urllib.error.HTTPError) -> str:
    """The code inside Azure's error envelope (or OAuth's), for the log."""
    try:
        inner = json.loads(error.read(20_000))["error"]
        return f" {inner['code'] if isinstance(inner, dict) else inner}"[:80]
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def retry_after(error: urllib.error.HTTPError) -> float:
    """Seconds, when the answer says so in seconds."""
    value = error.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else 0.0


class Identity:
    """Tokens of this VM's identities from the instance metadata service, kept until five minutes before their end."""

    def __init__(self) -> None:
        # The variable is the one that Azure's own identity libraries honour.
        authority = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254").rstrip("/")
        self.url = f"{authority}/metadata/identity/oauth2/token"
        self.tokens: dict[tuple[str, str], tuple[str, float]] = {}

    def header(self, resource: str, client_id: str = "") -> dict[str, str]:
        """The Authorization header for a resource; without client_id it is the system-assigned identity's."""
        token, expires = self.tokens.get((resource, client_id), ("", 0.0))
        if time.time() > expires - 300:
            query = {"api-version": "2018-02-01", "resource": resource, **({"client_id": client_id} if client_id else {})}
            answer = http(f"{self.url}?{urllib.parse.urlencode(query)}", {"Metadata": "true"})
            token, expires = str(answer["access_token"]), float(answer["expires_on"])
            self.tokens[(resource, client_id)] = (token, expires)
        return {"Authorization": f"Bearer {token}"}

    def refused(self, trouble: Trouble) -> None:
        """After a refusal tokens are asked for anew: roles or identities may have changed since they were issued."""
        if trouble.status in (401, 403):
            self.tokens.clear()

    def secret(self, vault: Json, name: str, version: str) -> str:
        """Exactly this version of a secret, read as the jump server's user-assigned identity."""
        url = f"{vault['url'].rstrip('/')}/secrets/{name}/{version}?api-version=7.4"
        try:
            return str(http(url, self.header(VAULT, vault["identityClientId"]))["value"])
        except Trouble as trouble:
            self.refused(trouble)
            raise Trouble(f"secret {name}: {trouble}") from None
