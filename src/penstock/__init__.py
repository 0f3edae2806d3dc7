"""Penstock: one gateway in front of every model a product team uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.client import Client
    from penstock.llm import LLMFactory

__all__ = ["Client", "LLMFactory"]


def __getattr__(name: str) -> Any:
    """What a program uses, loaded when it is first asked for (PEP 562): the command line needs neither."""
    if name == "Client":
        from penstock.client import Client  # noqa: PLC0415 - as said above

        return Client
    if name == "LLMFactory":
        from penstock.llm import LLMFactory  # noqa: PLC0415 - as said above

        return LLMFactory
    raise AttributeError(f"module 'penstock' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
