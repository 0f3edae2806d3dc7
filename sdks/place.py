"""``Place``: where a client is pointed; ``at`` finds one by its name."""

from __future__ import annotations

from dataclasses import dataclass

from upstream import LIMITED_KEY, WRONG_KEY, Upstream

OURS = "sk-ours-" + "0" * 40
TENANTS = {"OUR_KEY": OURS, "LIMITED_KEY": LIMITED_KEY + "0" * 40}


@dataclass(frozen=True)
class Place:
    """Where a client is pointed: ``openai_url`` ends in `/v1`, ``anthropic_url`` in front of it."""

    name: str
    openai_url: str
    anthropic_url: str
    model: str
    upstream: Upstream
    key: str = OURS
    wrong_key: str = WRONG_KEY
    limited_key: str = LIMITED_KEY

    @property
    def direct(self) -> bool:
        """Whether no gateway is between."""
        return self.name == "direct"


def at(name: str, upstream: Upstream, gateway_url: str) -> Place:
    """`direct`, or the gateway's model of that name; what was asked before is forgotten."""
    upstream.left.clear()
    upstream.asked.clear()
    if name == "direct":
        address = upstream.address
        return Place(name, f"{address}/openai/v1", f"{address}/anthropic", "real", upstream, key="sk-provider")
    return Place(name, f"{gateway_url}/v1", gateway_url, name, upstream, limited_key=TENANTS["LIMITED_KEY"])
