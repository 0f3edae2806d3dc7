"""``Place``: where a ``"provider/model"`` is asked, with which key, over which connections."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from penstock.core.chain import Handler
from penstock.core.plan import Target
from penstock.core.ports import Origin, Transport
from penstock.providers import KINDS, SimulatedTransport, connect
from penstock.transport import HttpTransport, Proxies

# Makes what carries requests, once for each event loop that asks.
Connect: TypeAlias = Callable[[], Transport]

# A provider's name in capitals and _API_KEY, but for this one (github.com/openai/openai-python, README, 2026-11-21).
_KEY_NAMES = {"azure": "AZURE_OPENAI_API_KEY"}
_SIMULATED = "http://simulated.invalid/v1"
_ON_THIS_MACHINE = "http://127.0.0.1:"


class Place(Struct, frozen=True):
    """``model_id`` of ``provider`` at ``address``; ``given`` if that is the caller's own."""

    provider: str
    model_id: str
    address: str
    given: bool

    @property
    def name(self) -> str:
        """What it is called in errors, and in what attempts leave."""
        name = f"{self.provider}/{self.model_id}"
        return f"{name} at {self.address}" if self.given else name

    def key(self, given: str | None) -> str | None:
        """``given``, else the environment's, which no other address than the provider's own is shown.

        Raises ``ValueError`` where there is none and the provider wants one.
        """
        if given or (self.given and KINDS[self.provider] is not None):
            return given
        variable = _KEY_NAMES.get(self.provider, f"{self.provider.upper()}_API_KEY")
        key = os.environ.get(variable)
        if not key and KINDS[self.provider] and not self.address.startswith(_ON_THIS_MACHINE):
            raise ValueError(f"'{self.provider}' wants a key: export {variable}, or give `api_key`")
        return key

    def network(self, ca_file: str | None) -> Connect:
        """Connections to it: what simulates it, or HTTP through the environment's proxies. Raises ``ValueError``."""
        if self.provider == "simulated":
            return SimulatedTransport
        # An address that the caller wrote may be private, and so may one on this machine.
        named = self.given or self.address.startswith(_ON_THIS_MACHINE)
        named_origins = frozenset((Origin.of(self.address),) if named else ())
        proxies = Proxies.of(os.environ)
        return lambda: HttpTransport(ca_file=ca_file, named_origins=named_origins, proxies=proxies)

    def backend(self, target: Target, api_key: str | None) -> Callable[[Transport], Handler]:
        """What answers calls with ``target`` over a transport. Raises ``ValueError`` when that is made."""
        kind = "openai_compatible" if self.provider == "simulated" else self.provider

        def bind(transport: Transport) -> Handler:
            account = connect(kind, self.provider, base_url=self.address, api_key=api_key, transport=transport)
            return account.bind(target)

        return bind


def find_place(model: str, base_url: str | None) -> Place:
    """Where ``model`` is. Raises ``ValueError``, which tells what there is."""
    provider, _, model_id = model.partition("/")
    if provider not in KINDS or not model_id:
        known = ", ".join(sorted(KINDS))
        raise ValueError(f"'{model}' must look like 'openai/gpt-4o', and begin with one of: {known}")
    if provider == "simulated":
        return Place(provider, model_id, _SIMULATED, given=False)
    address = base_url or KINDS[provider]
    if address is None:
        raise ValueError(f"'{provider}' is a server of your own: give its `base_url`, like https://llm.example.com/v1")
    return Place(provider, model_id, address, given=base_url is not None)
