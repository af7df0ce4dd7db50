"""Molcajete's agent on a node: reports how the node is and makes true what the control plane answers.

Python's standard library only. It never dies and never prints a secret: whatever goes wrong is logged by its kind and tried again.
"""

import os
import random
import time

import health
from azure import Identity, http
from desired import Node
from machine import Json, Trouble, boot_id, log, prepare, read_json

AGENT_VERSION = "1.0.0"
# After a change the parts take a while to come up; the control plane waits for them.
SETTLE_SECONDS = 60.0
SETTLE_EVERY = 1.0


class Agent:
    """One node's conversation with the control plane."""

    def __init__(self) -> None:
        self.bootstrap = read_json("bootstrap.json")
        self.identity = Identity()
        self.node = Node(self.identity)
        self.settling_until = 0.0
        self.changes = 0
        self.healthy = False
        self.sessions = {"served": 0, "relayed": 0}

    def report(self) -> Json:
        """The body of a report. A part whose last change failed is not healthy; `works` says that it serves users all the same."""
        parts = health.parts()
        for name, problem in self.node.problems.items():
            works = {"works": True} if parts[name]["healthy"] else {}
            parts[name] = {**parts[name], "healthy": False, "detail": problem[:500], **works}
        self.healthy = all(part["healthy"] for part in parts.values())
        try:
            self.sessions = health.sessions()
        except Trouble:
            pass  # an unknown number is not none: a drained node is switched off at zero, so what was last seen counts
        state = self.node.state
        return {
            "bootId": boot_id(),
            "agentVersion": AGENT_VERSION,
            "applied": state["applied"],
            **parts,
            "sessions": self.sessions,
            "secrets": state["secrets"],
            **({"guacamoleVersion": state["guacamoleVersion"]} if state.get("guacamoleVersion") else {}),
            "draining": bool((state["desired"] or {}).get("draining")) and "haproxy" not in self.node.problems,
        }

    def exchange(self) -> Json:
        """Reports and returns the desired state that the control plane answers."""
        boot = self.bootstrap
        url = f"{boot['apiUrl'].rstrip('/')}/jump-servers/{boot['jumpServer']}/nodes/{boot['node']}/report"
        try:
            desired = http(url, self.identity.header(boot["audience"]), self.report())
        except Trouble as trouble:
            self.identity.refused(trouble)
            raise
        if not isinstance(desired.get("version"), str) or desired.get("node") != boot["node"]:
            raise Trouble("the control plane answered no desired state for this node")
        return desired

    def round(self) -> float:
        """One report and what follows from it. Returns the seconds until the next."""
        try:
            desired = self.exchange()
        except Trouble:
            if self.node.state["desired"]:
                self.node.apply(self.node.state["desired"])
            raise
        every = min(max(float(desired["reportEverySeconds"]), 0.5), 300.0)
        if self.node.apply(desired):
            # Tell it at once; but a unit that fails again and again is a change each time, and that must not become a busy loop.
            self.settling_until = time.monotonic() + SETTLE_SECONDS
            self.changes += 1
            return min(2.0 ** (self.changes - 1) - 1.0, every)
        self.changes = 0
        settling = time.monotonic() < self.settling_until and not self.healthy
        return min(SETTLE_EVERY, every) if settling else every


def main() -> None:
    """Reports for ever; after a failure with a growing, jittered pause."""
    os.umask(0o077)
    prepare()
    agent = Agent()
    failures = 0
    while True:
        try:
            pause, failures = agent.round(), 0
        except Exception as error:  # it must never die
            failures += 1
            asked = error.retry_after if isinstance(error, Trouble) else 0.0
            pause = (asked or min(60.0, 1.5**failures)) * random.uniform(0.7, 1.0)
            log(str(error) if isinstance(error, Trouble) else f"unexpected {type(error).__name__}")
        time.sleep(pause)


if __name__ == "__main__":
    main()
