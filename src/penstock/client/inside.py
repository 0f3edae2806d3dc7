"""``Inside``: a gateway in this process, asked as one of its tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from penstock.app.embedded import embedded
from penstock.client.question import Question
from penstock.client.told import Told, Way
from penstock.core.answer import END
from penstock.core.call import Identity
from penstock.core.errors import UnknownTenant
from penstock.core.ports import Gateway
from penstock.edge.faces import CHAT, ModelFace

# Read and refused as on /v1; limits of that path, metrics and audit events know it by a name of its own.
_MANNER = replace(CHAT, endpoint="python")


class Inside:
    """A ``Way``."""

    def __init__(self, gateway: Gateway, tenant: str) -> None:
        self._gateway = gateway
        self._face = ModelFace(gateway, _MANNER)
        self._identity = Identity(tenant, "python")

    async def ask(self, question: Question) -> Told:
        """See ``Way.ask``."""
        call = self._face.compose(dict(question.headers), self._identity, question.body)
        answer = await self._gateway.answer(call)
        if answer.body is not None:
            answer.close(END)  # the stages settle, and the trail is complete
            await self._gateway.committed()
        return Told(answer=answer, trail=call.trail, request_id=call.request_id)


@asynccontextmanager
async def inside(path: Path, tenant: str | None, store_url: str | None) -> AsyncIterator[Way]:
    """The gateway of the config file ``path``. Raises ``ConfigError``, ``StoreFailed`` and ``UnknownTenant``."""
    async with embedded(path, store_url) as gateway:
        yield Inside(gateway, _tenant(gateway.policy.tenants, tenant))


def _tenant(tenants: Mapping[str, str], named: str | None) -> str:
    if named is None and len(tenants) == 1:
        return next(iter(tenants))
    if named is None or named not in tenants:
        wrong = "Name a `tenant`" if named is None else f"There is no tenant '{named[:100]}'"
        raise UnknownTenant(f"{wrong}; the config has: {', '.join(sorted(tenants)) or 'none'}.", param="tenant")
    return named
