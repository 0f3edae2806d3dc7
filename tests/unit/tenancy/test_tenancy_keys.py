from __future__ import annotations

import pytest

from penstock.core.call import Identity
from penstock.core.errors import Unauthenticated
from penstock.tenancy import KeyRing, hash_user

PEPPER = b"p" * 32
ACME = Identity("acme", "app")


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing(PEPPER, [("sk-acme", ACME), ("sk-root", Identity("", "root", admin=True))])


def test_a_key_proves_its_identity(ring: KeyRing) -> None:
    assert ring.authenticate("sk-acme") is ACME
    assert ring.authenticate("sk-root").admin


@pytest.mark.parametrize("key", [None, "", "sk-wrong-secret", "sk-acme ", "x" * 513, "\udcff", "ключ"])
def test_every_other_key_is_refused_in_the_same_words(ring: KeyRing, key: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        ring.authenticate(key)
    assert "Authorization: Bearer KEY" in refused.value.message
    with pytest.raises(Unauthenticated) as missing:
        ring.authenticate(None)
    assert refused.value.message == missing.value.message


def test_a_key_that_is_too_long_is_refused_even_if_it_were_known() -> None:
    with pytest.raises(Unauthenticated):
        KeyRing(PEPPER, [("k" * 513, ACME)]).authenticate("k" * 513)


def test_the_ring_holds_no_key(ring: KeyRing) -> None:
    assert "sk-acme" not in repr(vars(ring))


def test_a_user_hash_is_short_stable_and_of_one_tenant() -> None:
    ada = hash_user(PEPPER, "acme", "ada")
    assert len(ada) == 16
    assert set(ada) <= set("0123456789abcdef")
    assert ada == hash_user(PEPPER, "acme", "ada")
    assert len({ada, hash_user(PEPPER, "other", "ada"), hash_user(b"q", "acme", "ada")}) == 3
    assert hash_user(PEPPER, "acme", "") == ""
