from __future__ import annotations

import pytest

from penstock.core.errors import UpstreamUnavailable
from penstock.core.ports import Origin
from penstock.transport.addresses import is_public, permitted_addresses


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "104.18.7.192", "2606:4700::6812:7c0", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
    ],
)
def test_private_loopback_metadata_and_disguised_addresses_are_not(address: str) -> None:
    assert not is_public(address)


async def test_a_private_address_needs_an_origin_that_the_operator_named() -> None:
    origin = Origin("http", "127.0.0.1", 80)
    with pytest.raises(UpstreamUnavailable, match="its address is private"):
        await permitted_addresses(origin, named=False)
    assert await permitted_addresses(origin, named=True) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["localhost", "0x7f000001", "2130706433", "127.1"])
async def test_what_counts_is_the_address_that_a_name_stands_for(host: str) -> None:
    with pytest.raises(UpstreamUnavailable, match="its address is private"):
        await permitted_addresses(Origin("http", host, 80), named=False)


@pytest.mark.parametrize(
    ("host", "reason"), [("not a name", "name not found"), ("a..b", "its address is not a host name")]
)
async def test_a_name_that_stands_for_nothing_is_unavailable(host: str, reason: str) -> None:
    with pytest.raises(UpstreamUnavailable, match=f"The provider cannot be reached: {reason}"):
        await permitted_addresses(Origin("http", host, 80), named=True)
