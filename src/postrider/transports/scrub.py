"""Takes an integration's secrets out of what a far side said, before it is kept or shown."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from postrider.domain.integration import Integration
from postrider.domain.signature import PREFIX

from .configuration import TransportConfiguration, secret_fields

HIDDEN = "***"
SHORTEST = 4
"""A shorter secret stands in too many innocent places to be taken out."""
SHORTEST_ENCODED = 8
"""The same for what base64 makes of one."""

# A message's signature, as it is and as URLs and JSON write it; of one that was cut off, what is left.
_SIGNATURE = re.compile(r"v1(,|%2[Cc])(?:[A-Za-z0-9+/]|\\/|%2[BbFf]){43}(?:=|%3[Dd]|\\u003[Dd])")
_BEGUN_SIGNATURE = re.compile(r"v1(,|%2[Cc])[A-Za-z0-9+/%\\]{4,130}\Z")


def secrets_of(integration: Integration, model: type[TransportConfiguration]) -> tuple[str, ...]:
    """List what must not leave a transport: the secret fields, the signing secret and the old ones, longest first."""
    secrets = [_text(integration.configuration, name) for name in secret_fields(model)]
    for signing in (integration.signing_secret, *(old.secret for old in integration.retired_secrets)):
        secrets += [signing, signing.removeprefix(PREFIX)]
    return forms(secrets)


def forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """List the secrets as they are and as JSON, URLs, HTML, STOMP, base64 and hex write them, longest first."""
    written = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
    return tuple(sorted(written, key=lambda form: (-len(form), form)))


def _forms(secret: str) -> set[str]:
    in_json, in_ascii_json = json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1]
    in_url = quote(secret, safe="")
    written = {
        *(secret, in_json, in_ascii_json, in_url, quote_plus(secret), html.escape(secret)),
        # Some leave slashes alone in URLs, and some escape the JSON that it stood in.
        *(quote(secret), quote(in_json, safe=""), quote(in_json), quote_plus(in_json)),
        # PHP's json_encode writes a slash as \/ and other echoes leave it alone.
        in_json.replace("/", "\\/"),
        # An echo of a body as a member of another JSON document.
        json.dumps(in_json, ensure_ascii=False)[1:-1],
        re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), in_url),
        secret.replace("\\", "\\\\").replace(":", "\\c"),
    }
    return written | _encoded(secret.encode())


def _encoded(secret: bytes) -> set[str]:
    """List what base64 and hex make of it, alone or inside of something longer."""
    forms = {secret.hex(), secret.hex().upper()}
    for ahead in range(3):
        # Base64 takes three bytes at a time: the first and the last characters depend on the neighbours.
        whole = base64.b64encode(b"\0" * ahead + secret).decode().rstrip("=")
        sure = whole[(0, 2, 3)[ahead] : len(whole) - (1 if (ahead + len(secret)) % 3 else 0)]
        forms |= {sure, sure.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= SHORTEST_ENCODED}


def _text(configuration: Mapping[str, Any], name: str) -> str:
    value = configuration.get(name)
    return value if isinstance(value, str) else ""


def scrub(text: str, secrets: Iterable[str], *, cut: bool = False) -> str:
    """Put `***` in the place of each secret, and of each signature, which is good for its message for some minutes.

    `cut` says that the text was cut off at its end: the beginning of a secret there goes too.
    `secrets` come from `secrets_of` or `forms`.
    """
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
        if cut:
            text = _without_begun(text, secret)
    return _without_signatures(text, cut=cut) if "v1" in text else text


def _without_signatures(text: str, *, cut: bool) -> str:
    text = _SIGNATURE.sub(rf"v1\g<1>{HIDDEN}", text)
    return _BEGUN_SIGNATURE.sub(rf"v1\g<1>{HIDDEN}", text) if cut else text


def _without_begun(text: str, secret: str) -> str:
    for length in range(min(len(secret), len(text)), SHORTEST - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + HIDDEN
    return text
