"""Who asks, and what that lets them see. A key decides; without one, only the demo's keyless loopback does."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import msgspec
from starlette.requests import Request

from penstock.core.call import Identity
from penstock.core.errors import InvalidParameter, PermissionDenied, Unauthenticated
from penstock.core.ports import Gateway
from penstock.edge.asks import read_key

# Any of these says that somebody else's request is being passed on, whatever the peer's address is.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def prove(gateway: Gateway, request: Request) -> Identity | None:
    """Whose key this is; ``None`` for a keyless caller on loopback. Raises ``Unauthenticated``.

    A key that is wrong is refused even where none would be needed.
    """
    key = given_key(request)
    if key is not None or not gateway.keyless:
        return gateway.authenticate(key)
    foreign = why_not_local(request)
    if foreign is None:
        return None
    try:
        return gateway.authenticate(None)  # which counts it
    except Unauthenticated as error:
        raise Unauthenticated(f"No key is needed on this machine, but the request {foreign}. {error.message}") from None


def require_admin(gateway: Gateway, request: Request) -> None:
    """Let an admin key or a keyless caller pass. Raises ``Unauthenticated``, ``PermissionDenied``."""
    identity = prove(gateway, request)
    if identity is not None and not identity.admin:
        raise PermissionDenied("This needs an admin key; the key you gave belongs to a tenant.")


def is_admin(gateway: Gateway, request: Request) -> bool:
    """Whether a valid admin key was given; a missing or wrong key is no error here."""
    try:
        key = given_key(request)
        return key is not None and gateway.authenticate(key).admin
    except Unauthenticated:
        return False


def as_tenant(identity: Identity | None, tenant_id: str) -> Identity:
    """The identity that a call is made under. Raises ``InvalidParameter``, ``PermissionDenied``.

    A tenant's key speaks for that tenant alone; an admin key or a keyless caller names the tenant in the body.
    """
    if identity is not None and not identity.admin:
        if tenant_id not in ("", identity.tenant):
            raise PermissionDenied(
                "Your key belongs to another tenant than `tenant_id` names; leave the field out or use that tenant's key.",
                param="tenant_id",
            )
        return identity
    if not tenant_id:
        raise InvalidParameter("`tenant_id` is missing: say for which tenant you ask.", param="tenant_id")
    if identity is None:
        return Identity(tenant=tenant_id, key_name="keyless")
    return msgspec.structs.replace(identity, tenant=tenant_id)


def given_key(request: Request) -> str | None:
    """The key as the data plane reads it; ``None`` without one, and ``""``, which is wrong, for another scheme."""
    headers = dict(request.scope["headers"])
    key = read_key(headers)
    return key or ("" if b"authorization" in headers else None)


def why_not_local(request: Request) -> str | None:
    """What says that the request comes from elsewhere or was not meant for this machine; ``None`` when nothing does.

    The host name is checked against DNS rebinding, the origin against pages of other sites in a local browser.
    """
    hosts = request.headers.getlist("host")
    if request.client is None or not _is_loopback(request.client.host):
        return "comes from another address"
    if len(hosts) != 1 or not _is_loopback(_host_name(hosts[0])):
        return "names another host in its `Host` header than localhost or 127.0.0.1"
    if not all(_is_loopback(_host_name(origin.partition("://")[2])) for origin in request.headers.getlist("origin")):
        return "comes from a page of another site, as its `Origin` header says"
    if any(name in request.headers for name in FORWARDED):
        return "was passed on by a proxy, as its headers say"
    return None


def _host_name(authority: str) -> str:
    """``[::1]:8000`` and ``127.0.0.1:8000`` without port and brackets."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
