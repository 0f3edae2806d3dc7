"""``Place``: where a client is pointed."""

from __future__ import annotations

from dataclasses import dataclass

from upstream import LIMITED_KEY, WRONG_KEY, Upstream

OURS = "sk-ours-" + "0" * 40


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
