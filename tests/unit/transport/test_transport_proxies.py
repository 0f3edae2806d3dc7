from __future__ import annotations

import traceback
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.ports import Endpoint, Origin
from penstock.transport.proxies import Proxies, Proxy, ProxyInvalid

HTTPS = Origin("https", "api.example.com", 443)
HTTP = Origin("http", "api.example.com", 80)
PROXY = "http://proxy:3128"
DIRECT = "None"


def through(origin: Origin, **env: str) -> str:
    return str(Proxies.of(env).proxy_for(origin))


def test_each_scheme_has_its_variable() -> None:
    env = {"HTTPS_PROXY": "http://one:1", "HTTP_PROXY": "http://two:2"}
    assert through(HTTPS, **env) == "one:1"
    assert through(HTTP, **env) == "two:2"
    assert through(HTTPS, HTTP_PROXY=PROXY) == DIRECT
    assert through(HTTPS) == DIRECT


def test_small_letters_come_first_even_when_they_say_nothing() -> None:
    assert through(HTTPS, HTTPS_PROXY="http://big:1", https_proxy="http://small:2") == "small:2"
    assert through(HTTPS, HTTPS_PROXY=PROXY, https_proxy="") == DIRECT
    assert through(HTTPS, HTTPS_PROXY=PROXY, NO_PROXY="*", no_proxy="") == "proxy:3128"


@pytest.mark.parametrize(
    ("address", "proxy"),
    [
        ("http://proxy:3128/", "proxy:3128"),
        ("proxy:3128", "proxy:3128"),
        (" http://proxy ", "proxy:80"),
        ("http://[::1]:3128", "::1:3128"),
        ("http://user:secret@proxy:3128", "proxy:3128"),
    ],
)
def test_a_proxy_is_named_by_its_address_and_shown_without_its_password(address: str, proxy: str) -> None:
    assert through(HTTPS, HTTPS_PROXY=address) == proxy


def test_user_and_password_are_unquoted_and_go_to_the_proxy_alone() -> None:
    proxy = Proxies.of({"https_proxy": "http://us%40er:p%3Aw%25@proxy:1"}).proxy_for(HTTPS)
    assert proxy is not None
    ((name, value),) = proxy.headers
    assert (name, b64decode(value.removeprefix(b"Basic "))) == (b"proxy-authorization", b"us@er:p:w%")
    assert Proxy("proxy", 1).headers == ()


@pytest.mark.parametrize(
    "address",
    [
        "https://user:hunter2@proxy:3128",
        "socks5://user:hunter2@proxy:3128",
        "http://user:hunter2@:3128",
        "http://user:hunter2@proxy:port",
        "http://user:hunter2@proxy:99999",
        "http://user:hunter2@proxy/path",
        "http://user:hunter2@proxy?x",
        "http://user:hunter/2@proxy:1",
        "http://us%3Aer:hunter2@proxy:1",
        "http://user:hunter2@[proxy:1",
        "http://user:hunter2\udcff@proxy:1",  # as os.environ holds what is not UTF-8
    ],
)
def test_what_is_no_proxy_is_told_by_its_variable_without_its_value(address: str) -> None:
    with pytest.raises(ProxyInvalid, match="HTTPS_PROXY is no address of an HTTP proxy") as caught:
        Proxies.of({"HTTPS_PROXY": address})
    assert "hunter" not in "".join(traceback.format_exception(caught.value)) + caught.value.suggestion
    assert "http://user:password@proxy" in caught.value.suggestion


@given(st.text(max_size=40) | st.text("http:/@[]%0123.*, -a", max_size=40))
def test_any_value_is_a_proxy_or_is_refused(value: str) -> None:
    try:
        Proxies.of({"https_proxy": value, "no_proxy": value}).proxy_for(HTTPS)
    except ProxyInvalid as error:
        assert error.variable == "https_proxy"  # noqa: PT017 - the point is that nothing else is raised


@pytest.mark.parametrize(
    ("exempt", "host", "port", "way"),
    [
        ("*", "api.example.com", 443, DIRECT),
        ("other, *", "api.example.com", 443, DIRECT),
        ("example.com", "api.example.com", 443, DIRECT),
        (".example.com", "api.example.com", 443, DIRECT),
        (".example.com", "example.com", 443, DIRECT),
        ("*.example.com", "api.example.com", 443, DIRECT),
        ("EXAMPLE.com.", "api.example.com", 443, DIRECT),
        ("a, example.com b", "api.example.com", 443, DIRECT),
        ("ample.com", "api.example.com", 443, "proxy:3128"),
        ("api.example.com.org", "api.example.com", 443, "proxy:3128"),
        ("example.com:443", "api.example.com", 443, DIRECT),
        ("example.com:8443", "api.example.com", 443, "proxy:3128"),
        ("10.0.0.0/8", "10.1.2.3", 443, DIRECT),
        ("10.0.0.1/8", "10.1.2.3", 443, DIRECT),
        ("10.0.0.0/8", "11.1.2.3", 443, "proxy:3128"),
        ("10.0.0.0/8", "ten.example.com", 443, "proxy:3128"),
        ("10.1.2.3", "10.1.2.3", 443, DIRECT),
        ("10.1.2.3:8000", "10.1.2.3", 8000, DIRECT),
        ("10.1.2.3:8000", "10.1.2.3", 443, "proxy:3128"),
        ("2.3", "10.1.2.3", 443, "proxy:3128"),
        ("fd00::/8", "fd00::1", 443, DIRECT),
        ("fd00::1", "fd00::1", 443, DIRECT),
        ("[fd00::1]", "fd00::1", 443, DIRECT),
        ("[fd00::1]:8000", "fd00::1", 443, "proxy:3128"),
        ("10.0.0.0/99", "10.1.2.3", 443, "proxy:3128"),
        ("", "api.example.com", 443, "proxy:3128"),
        (", . :443 []", "api.example.com", 443, "proxy:3128"),
    ],
)
def test_no_proxy_exempts_names_with_all_below_them_blocks_and_ports(
    exempt: str, host: str, port: int, way: str
) -> None:
    assert through(Origin("https", host, port), HTTPS_PROXY=PROXY, NO_PROXY=exempt) == way


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_reached_directly(host: str) -> None:
    assert through(Origin("http", host, 11434), http_proxy=PROXY) == DIRECT


def test_a_forwarded_request_names_the_whole_url_and_proves_itself_to_the_proxy() -> None:
    endpoint = Endpoint(Origin("http", "fd00::1", 8000), b"POST", b"/v1", ((b"authorization", b"Bearer key"),))
    assert Proxy("proxy", 1, b"Basic eA==").forwarding(endpoint) == Endpoint(
        endpoint.origin,
        b"POST",
        b"http://[fd00::1]:8000/v1",
        ((b"authorization", b"Bearer key"), (b"proxy-authorization", b"Basic eA==")),
    )
