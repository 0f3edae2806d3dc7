from __future__ import annotations

import pytest

from penstock.transport.addresses import is_public, literal, permitted
from penstock.transport.reasons import Unreachable


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


def test_a_private_address_needs_an_origin_that_the_operator_named() -> None:
    with pytest.raises(Unreachable, match="its address is private"):
        permitted(["127.0.0.1"], named=False)
    assert permitted(["127.0.0.1"], named=True) == ["127.0.0.1"]


def test_of_several_addresses_the_public_ones_are_left_in_their_order() -> None:
    assert permitted(["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1"], named=False) == ["1.1.1.1", "2606:4700::1"]


def test_an_address_is_told_from_a_name() -> None:
    assert (literal("::1"), literal("127.0.0.1"), literal("localhost"), literal("127.1")) == (
        "::1",
        "127.0.0.1",
        None,
        None,
    )
