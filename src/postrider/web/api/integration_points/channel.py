"""A channel as ERA writes it, and the integration that it is here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from postrider.control.integrations import UNREADABLE
from postrider.domain.errors import InvalidInput
from postrider.domain.integration import NOWHERE, Integration, goes_nowhere
from postrider.domain.news import timestamp
from postrider.transports.configuration import looks_masked, mask

from .given import Given

SYSTEM = "era"
"""Its member of an integration's extras."""
PUBLIC, TELEGRAM = "public", "telegram"
WEBHOOK = "webhook"
TELEGRAM_URL = "https://api.telegram.org"
"""Where Telegram is when nothing else is said."""
BOT_TOKEN = "bot_token"  # noqa: S105 - a field's name
_OURS = frozenset({"url", "secret_key", "api_url", BOT_TOKEN, "chat_id", "text"})
"""What a channel says of a configuration; other doors may have set more."""
SCRIPTS = ("recv_svcscriptcode", "recv_svcscriptcode_ws", "send_svcscriptcode", "send_svcscriptcode_ws")
_ALWAYS = {"title": "", "comment": "", "allow_files_api": False, "issync": False}
SEND_SCRIPT = "send_svcscriptcode"
_SCRIPT_OF = {PUBLIC: "send_to_web", TELEGRAM: "send_to_telegram"}
"""What a channel's send script is called that sends as its type says; by any other type nothing is sent."""
_TYPE_OF = {script: name for name, script in _SCRIPT_OF.items()}
_PLAIN = ("code", "type", "url", "token_remote", "token_remote2", *SCRIPTS)
_ROUTE = ("type", "url", "token_remote", SEND_SCRIPT)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel with its secrets in clear: never log it, never show it unmasked."""

    code: str
    type: str
    token_local: str = field(repr=False)
    """Empty: nobody publishes as it, since another system's API made it."""
    token_remote: str = field(repr=False)
    token_remote2: str = field(repr=False)
    url: str
    scripts: Mapping[str, str]
    opts: Mapping[str, Any]
    observes: Any


@dataclass(frozen=True, slots=True)
class Way:
    """How what a channel observes gets to its far side."""

    integration_type: str
    configuration: Mapping[str, Any] = field(repr=False)
    is_open: bool
    """Whether there is a far side; else the channel only publishes."""


def read(integration: Integration) -> Channel:
    """Read the channel that an integration is; what else there is of it is whatever made it."""
    said = integration.extras.get(SYSTEM, {})
    secret = integration.extra_secrets.get(SYSTEM, {})
    return Channel(
        code=said.get("code") or integration.name,
        token_local=secret.get("token_local", ""),
        token_remote2=secret.get("token_remote2", ""),
        scripts={name: said.get(name, "") for name in SCRIPTS} | {SEND_SCRIPT: _send_script(integration, said)},
        opts=_opts(integration, said),
        observes=list(integration.observes),
        **_far_side(integration, said, secret),
    )


def _send_script(integration: Integration, said: Mapping[str, Any]) -> str:
    """Name the script by which a channel sends: another door may have changed since how it does."""
    if _only_publishes(integration):
        return str(said.get(SEND_SCRIPT, ""))
    if integration.integration_type not in {WEBHOOK, TELEGRAM}:
        return ""
    now = TELEGRAM if integration.integration_type == TELEGRAM else PUBLIC
    return str(said.get(SEND_SCRIPT, "")) if _sends_so(said, now) else _SCRIPT_OF[now]


def _sends_so(said: Mapping[str, Any], sends_as: str) -> bool:
    script = str(said.get(SEND_SCRIPT, ""))
    return bool(script) and _TYPE_OF.get(script, said.get("type")) == sends_as


def _opts(integration: Integration, said: Mapping[str, Any]) -> dict[str, Any]:
    given = said.get("opts", {})
    # It was renamed since by another door: then that name is its title.
    title = given.get("title", "")
    if integration.name != (title or said.get("code", integration.name)):
        title = integration.name
    templates = {
        name: integration.configuration[name]
        for name in ("chat_id", "text")
        if integration.integration_type == TELEGRAM and name in integration.configuration
    }
    return {**_ALWAYS, **given, **templates, "title": title, "comment": integration.description}


def _far_side(integration: Integration, said: Mapping[str, Any], secret: Mapping[str, Any]) -> dict[str, str]:
    told = integration.configuration
    if _only_publishes(integration):
        return {
            "type": said.get("type", PUBLIC),
            "url": said.get("url", ""),
            "token_remote": secret.get("token_remote", ""),
        }
    if integration.integration_type == WEBHOOK:
        name = said["type"] if _sends_so(said, PUBLIC) else PUBLIC
        return {"type": name, "url": told.get("url", ""), "token_remote": told.get("secret_key") or ""}
    if integration.integration_type == TELEGRAM:
        url = told.get("api_url", "")
        url = "" if url.rstrip("/") == TELEGRAM_URL else url
        name = said["type"] if _sends_so(said, TELEGRAM) else TELEGRAM
        return {"type": name, "url": url, "token_remote": told.get(BOT_TOKEN, "")}
    return {"type": integration.integration_type, "url": "", "token_remote": ""}


def _only_publishes(integration: Integration) -> bool:
    return integration.integration_type == WEBHOOK and goes_nowhere(integration.configuration)


def is_open(integration: Integration) -> bool:
    """Tell whether what an integration observes has somewhere to go."""
    return not _only_publishes(integration)


def new(given: Given, token_local: str) -> Channel:
    """Make the channel that a caller wants; InvalidInput names what is missing or cannot be."""
    for name in ("code", "type"):
        if not given.has(name):
            raise InvalidInput(name, f"{name}: is required")
    for name in ("token_remote", "token_remote2"):
        _kept(name, getattr(given, name), "")
    default = {SEND_SCRIPT: _SCRIPT_OF.get(given.type, "")}
    return Channel(
        code=given.code,
        type=given.type,
        token_local=token_local,
        token_remote=given.token_remote,
        token_remote2=given.token_remote2,
        url=given.url,
        scripts={name: getattr(given, name) if given.has(name) else default.get(name, "") for name in SCRIPTS},
        opts={**_ALWAYS, **given.opts.model_dump(exclude_unset=True)},
        observes=given.observes if given.has("observes") else [],
    )


def revised(old: Channel, given: Given, token_local: str) -> Channel:
    """Apply what was given to a channel; InvalidInput names what cannot be."""
    plain = {name: getattr(given, name) if given.has(name) else _of(old, name) for name in _PLAIN}
    for name in ("token_remote", "token_remote2"):
        plain[name] = _kept(name, plain[name], _of(old, name))
    if given.has("type") and not given.has(SEND_SCRIPT) and plain[SEND_SCRIPT] == _SCRIPT_OF.get(old.type, ""):
        plain[SEND_SCRIPT] = _SCRIPT_OF.get(given.type, "")
    changed = Channel(
        **{name: value for name, value in plain.items() if name not in SCRIPTS},
        token_local=token_local,
        scripts={name: plain[name] for name in SCRIPTS},
        opts={**old.opts, **given.opts.model_dump(exclude_unset=True)},
        observes=given.observes if given.has("observes") else old.observes,
    )
    _check_stays(old, changed, given)
    return changed


def _of(channel: Channel, name: str) -> str:
    return channel.scripts.get(name, "") if name in SCRIPTS else str(getattr(channel, name))


def _kept(name: str, value: str, stored: str) -> str:
    """Put a stored token in the place of its own mask; any other mask is refused."""
    if not looks_masked(value):
        return value
    if not stored or value != mask(stored):
        raise InvalidInput(
            name, f"{name}: looks like a masked value; send the token itself, or leave it as it was shown to keep it"
        )
    return stored


def _check_stays(old: Channel, changed: Channel, given: Given) -> None:
    """See that a token that nobody is shown is neither shown nor sent elsewhere."""
    anew = given.has("token_remote") and not looks_masked(given.token_remote)
    moved = (old.type, old.url, sends_as(old)) != (changed.type, changed.url, sends_as(changed))
    if _has_bot(old) and old.token_remote and moved and not anew:
        raise InvalidInput(
            "token_remote", "token_remote: send it anew for the new type, url or script; it is kept for the old"
        )


def sends_as(channel: Channel) -> str:
    """Tell the type by which a channel's send script sends; empty when it has none.

    A script of a name that says nothing to us sends as the channel's type does.
    """
    script = _of(channel, SEND_SCRIPT)
    return _TYPE_OF.get(script, channel.type) if script else ""


def _has_bot(channel: Channel) -> bool:
    """Tell whether a channel's token is a bot's, which nobody is shown."""
    return TELEGRAM in {channel.type, sends_as(channel)}


def goes_elsewhere(old: Channel, changed: Channel) -> bool:
    """Tell whether anything changed of how a channel reaches its far side."""
    templates = [[one.opts.get(name, "") for name in ("chat_id", "text")] for one in (old, changed)]
    return templates[0] != templates[1] or any(_of(old, name) != _of(changed, name) for name in _ROUTE)


def way(channel: Channel, installed: Collection[str]) -> Way:
    """Find how a channel reaches its far side, by what is installed here."""
    if sends_as(channel) == PUBLIC and channel.url not in {"", NOWHERE}:
        return Way(WEBHOOK, _filled(url=channel.url, secret_key=channel.token_remote), is_open=True)
    chat_id = channel.opts.get("chat_id", "")
    if sends_as(channel) == TELEGRAM and channel.token_remote and chat_id and TELEGRAM in installed:
        told = _filled(
            **{BOT_TOKEN: channel.token_remote},
            api_url=channel.url,
            chat_id=chat_id,
            text=channel.opts.get("text", ""),
        )
        return Way(TELEGRAM, told, is_open=True)
    return Way(WEBHOOK, {"url": NOWHERE}, is_open=False)


def configuration(way: Way, before: Integration) -> dict[str, Any]:
    """Give the configuration of a changed way, with what other doors set of it before."""
    kept = before.configuration if before.integration_type == way.integration_type else {}
    return {**{name: value for name, value in kept.items() if name not in _OURS}, **way.configuration}


def _filled(**members: str) -> dict[str, str]:
    return {name: value for name, value in members.items() if value}


def extras(channel: Channel, *, is_open: bool) -> dict[str, Any]:
    """Give what is stored of a channel beside its integration, which has the address of an open one."""
    opts = {name: value for name, value in channel.opts.items() if name != "comment"}
    url = {} if is_open else {"url": channel.url}
    return {"code": channel.code, "type": channel.type, **url, **channel.scripts, "opts": opts}


def secrets(channel: Channel, *, is_open: bool) -> dict[str, str]:
    """Give what of that is stored encrypted."""
    names = ("token_local", "token_remote2", *(() if is_open else ("token_remote",)))
    return {name: _of(channel, name) for name in names}


def name_of(channel: Channel) -> str:
    """Name its integration."""
    return str(channel.opts["title"] or channel.code)


def document(integration: Integration, *, for_writer: bool) -> dict[str, Any]:
    """Write an integration as a channel, its tokens masked for whoever may not see them."""
    channel = read(integration)
    clear = for_writer and not _has_bot(channel)
    local = UNREADABLE if integration.secrets_unreadable else channel.token_local
    return {
        "id": str(integration.id),
        "code": channel.code,
        "type": channel.type,
        "token_local": local if for_writer else mask(local),
        "token_remote": channel.token_remote if clear else mask(channel.token_remote),
        "token_remote2": mask(channel.token_remote2),
        "url": channel.url,
        **{name: _of(channel, name) for name in SCRIPTS},
        "opts": dict(channel.opts),
        "ext": {"ct": timestamp(integration.created_at), "lwt": timestamp(integration.updated_at)},
        "observes": channel.observes,
    }
