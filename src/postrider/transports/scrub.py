"""Takes an integration's secrets out of what a far side said, before it is kept or shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from postrider.domain.integration import Integration
from postrider.domain.signature import PREFIX

from .configuration import TransportConfiguration, secret_fields

HIDDEN = "***"
SHORTEST = 4
"""A shorter secret stands in too many innocent places to be taken out."""


def secrets_of(integration: Integration, model: type[TransportConfiguration]) -> tuple[str, ...]:
    """List what must not leave a transport: the secret fields and the signing secret, longest first."""
    secrets = [_text(integration.configuration, name) for name in secret_fields(model)]
    secrets += [integration.signing_secret, integration.signing_secret.removeprefix(PREFIX)]
    return forms(secrets)


def forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """List the secrets as they are and as JSON and URLs write them, longest first."""
    written = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
    return tuple(sorted(written, key=lambda form: (-len(form), form)))


def _forms(secret: str) -> tuple[str, ...]:
    in_json, in_ascii_json = json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1]
    # PHP's json_encode writes a slash as \/ and other echoes leave it alone.
    return (secret, in_json, in_ascii_json, in_json.replace("/", "\\/"), quote(secret, safe=""), quote_plus(secret))


def _text(configuration: Mapping[str, Any], name: str) -> str:
    value = configuration.get(name)
    return value if isinstance(value, str) else ""


def scrub(text: str, secrets: Iterable[str], *, cut: bool = False) -> str:
    """Put `***` in the place of each secret.

    `cut` says that the text was cut off at its end: the beginning of a secret there goes too.
    `secrets` come from `secrets_of` or `forms`.
    """
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
        if cut:
            text = _without_begun(text, secret)
    return text


def _without_begun(text: str, secret: str) -> str:
    for length in range(min(len(secret), len(text)), SHORTEST - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + HIDDEN
    return text
