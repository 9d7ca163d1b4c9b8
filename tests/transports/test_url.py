"""Which URLs a webhook may be saved with."""

from __future__ import annotations

import pytest

from postrider.transports.url import LONGEST_URL, http_url

GOOD = [
    ("http://h.test/a", "h.test", 80),
    ("https://h.test", "h.test", 443),
    ("HTTPS://h.test/", "h.test", 443),
    ("https://example.com:8443/x?a=1#f", "example.com", 8443),
    ("http://[::1]:8080/", "::1", 8080),
    ("http://[2001:db8::1]/", "2001:db8::1", 80),
    ("http://127.0.0.1:9000/hook", "127.0.0.1", 9000),
    ("http://receiver:80/", "receiver", 80),
    ("http://my_app.svc/", "my_app.svc", 80),
    ("http://h.test./", "h.test.", 80),
    ("http://bücher.example/ä?ö", "xn--bcher-kva.example", 80),
    ("http://xn--bcher-kva.example/", "xn--bcher-kva.example", 80),
    ("http://h#@evil.test/", "h", 80),
    ("http://h?@evil.test/", "h", 80),
    ("http://1password.com/", "1password.com", 80),
    ("http://h.test:65535/", "h.test", 65535),
]
BAD = [
    ("", "absolute URL"),
    ("h.test/hook", "absolute URL"),
    ("//h.test/", "absolute URL"),
    ("gopher://h.test/", "absolute URL"),
    ("file:///etc/passwd", "absolute URL"),
    ("javascript:alert(1)", "absolute URL"),
    ("http:h.test", "absolute URL"),
    ("http:///x", "a host"),
    ("http://:80/", "a host"),
    ("http://user@h.test/", "user name"),
    ("http://user:pass@h.test/", "user name"),
    ("http://h.test\\@evil.test/", "backslash"),
    ("http://h.test/\\x", "backslash"),
    ("http://h.test/a b", "spaces"),
    (" http://h.test/", "spaces"),
    ("http://h.test/\n", "spaces"),
    ("http://h.test/\r\nX: y", "spaces"),
    ("http://h.test/\x00", "spaces"),
    ("http://h.test/\u00a0", "spaces"),
    ("http://h\u200b.test/", "spaces"),
    ("http://h.test/\ud800", "spaces"),
    ("http://h.test:0/", "port"),
    ("http://h.test:65536/", "port"),
    ("http://h.test:99999/", "port"),
    ("http://h.test:" + "9" * 900, "port"),
    ("http://h.test:/", "port"),
    ("http://h.test:+80/", "port"),
    ("http://h.test:\uff18\uff10/", "port"),
    ("http://h.test:80:81/", "port"),
    ("http://2130706433/", "IPv4"),
    ("http://0x7f000001/", "IPv4"),
    ("http://0x7f.1/", "IPv4"),
    ("http://127.1/", "IPv4"),
    ("http://0177.0.0.1/", "IPv4"),
    ("http://0/", "IPv4"),
    ("http://127.0.0.1./", "IPv4"),
    ("http://1.2.3.4.5/", "IPv4"),
    ("http://256.0.0.1/", "IPv4"),
    ("http://h.0x7f/", "IPv4"),
    ("http://①②⑦.⓪.⓪.①/", "plain letters"),
    ("http://\uff11\uff12\uff17.0.0.1/", "plain letters"),
    ("http://127。0。0。1/", "plain letters"),
    ("http://h。test/", "plain letters"),
    ("http://xn--/", "international"),
    ("http://xn--a/", "international"),
    ("http://a..test/", "valid host name"),
    ("http://.test/", "valid host name"),
    ("http://-a.test/", "valid host name"),
    ("http://h%2etest/", "valid host name"),
    ("http://h!test/", "valid host name"),
    ("http://" + "a" * 64 + ".test/", "valid host name"),
    ("http://" + "a" * 50 + (".b" * 120) + "/", "at most 253"),
    ("http://[::1/", "plainly written"),
    ("http://[::1]evil.test/", "plainly written"),
    ("http://[nonsense]/", "IPv6"),
    ("http://[fe80::1%25eth0]/", "zone"),
    ("http://[fe80::1%eth0]/", "zone"),
    ("http://h.test/" + "x" * LONGEST_URL, "at most 2048"),
]


@pytest.mark.parametrize(("text", "host", "port"), GOOD)
def test_good_url_leads_where_it_says(text: str, host: str, port: int) -> None:
    """A plain URL is taken, and host and port are the ones that a person reads in it."""
    url = http_url(text)

    assert (url.raw_host, url.port) == (host, port)


@pytest.mark.parametrize(("text", "why"), BAD)
def test_bad_url_is_refused_with_its_reason(text: str, why: str) -> None:
    """A URL that two readers could read differently is refused, in words that help."""
    with pytest.raises(ValueError, match=why):
        http_url(text)


def test_path_and_query_stay_as_they_were_given() -> None:
    """A signed query is not written anew: `%2c`, `+` and the order of things stay."""
    url = http_url("https://h.test/a%2Fb;c/%41?sig=a%2bb+c%2c&x=%20&x=1")

    assert url.raw_path_qs == "/a%2Fb;c/%41?sig=a%2bb+c%2c&x=%20&x=1"
