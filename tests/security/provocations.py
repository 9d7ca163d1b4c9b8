"""Everything that makes a running Postrider speak: deliveries that fail loudly, bad requests, broken tables."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
from security.canaries import Said
from servers.answers import Answer, reply
from servers.process import wait_until
from servers.receiver import Receiver, Request
from transports import scripted_broker
from transports.scripted_broker import Came, Say, ScriptedBroker
from transports.sqs_service import SqsService

SECRET_KEY = 'cnWebhook"k3y"/+&=:0001'
AWS_KEY_ID = "AKIACANARY0000000002"
AWS_SECRET = "cnAws/S3cret+Key/00000000000000000000003"
STOMP_PASSWORD = 'cnStomp:p\\ss"w/rd0004'
STRANGER = "pr_cnStrangersKey00000000000000000000005"


@dataclass
class FarSides:
    """A receiver, an SQS and a broker that repeat the secrets they were given."""

    stack: ExitStack
    receiver: Receiver = field(init=False)
    sqs: SqsService = field(init=False)
    broker: ScriptedBroker = field(init=False)

    def __post_init__(self) -> None:
        self.receiver = self.stack.enter_context(Receiver())
        self.receiver.choose(lambda request: echo(request) if request.path == "/echo" else None)
        self.sqs = SqsService(self.stack.enter_context(Receiver()))
        self.sqs.refuse(403, "InvalidClientTokenId", f"The key {AWS_KEY_ID} with {AWS_SECRET} is not known")
        self.broker = self.stack.enter_context(ScriptedBroker())
        self.broker.on_send = self._refuse

    def _refuse(self, frame: Came) -> Say:
        passcode = self.broker.frames("CONNECT")[-1].headers["passcode"]
        return scripted_broker.error(f"no {passcode}", f"not with {STOMP_PASSWORD} either", of=frame)


@contextmanager
def far_sides() -> Iterator[FarSides]:
    with ExitStack() as stack:
        yield FarSides(stack)


def echo(request: Request) -> Answer:
    """Refuse a request, repeating all of it in many ways, as debugging pages do."""
    secret, signature = request.headers["x-moltin-secret-key"], request.headers["webhook-signature"]
    said = [
        *(f"{name}: {value}" for name, value in request.header_pairs),
        request.body.decode(),
        json.dumps({"headers": dict(request.headers), "body": request.body.decode()}),
        quote(secret, safe=""),
        secret.encode().hex(),
        base64.b64encode(request.body).decode(),
    ]
    headers = {"X-Secret": secret, "X-Signature": signature, "Location": f"http://127.0.0.1:9/?key={quote(secret)}"}
    return reply(500, "\n".join(said).encode(), headers)


@dataclass
class Client:
    """Asks the API and keeps every answer."""

    port: int
    writer: str
    said: list[Said] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    """What the API has made, by what it is."""

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def call(
        self, method: str, path: str, *, key: str | None = None, by_design: tuple[str, ...] = (), **given: Any
    ) -> Any:
        """Ask, keep the answer, and give its JSON; what is no JSON is kept and not given."""
        headers = {"Authorization": f"Bearer {key or self.writer}", **given.pop("headers", {})}
        answer = self._http.request(method, path, headers=headers, **given)
        head = "".join(f"{name}: {value}\n" for name, value in answer.headers.items())
        place = f"{answer.status_code} of {method} {path}"
        self.said.append(Said(place, head.encode() + answer.content, frozenset(by_design)))
        return answer.json() if "json" in answer.headers.get("content-type", "") else None

    def data(self, method: str, path: str, data: object = None, **given: Any) -> Any:
        """Ask for what must succeed."""
        found = self.call(method, path, **({} if data is None else {"json": {"data": data}}), **given)
        assert "data" in found, found
        return found["data"]


def integration(kind: str, configuration: Mapping[str, object], **more: object) -> dict[str, object]:
    return {
        "type": "integration",
        "name": kind,
        "enabled": True,
        "integration_type": kind,
        "observes": ["*"],
        "configuration": configuration,
        "delivery": {"retry_waits": [1]},
        **more,
    }


def integrate(client: Client, there: FarSides) -> None:
    """Make one integration of each kind and outcome, and replace a signing secret."""
    for path in ("/well", "/echo"):
        configuration = {"url": there.receiver.url_of(path), "secret_key": SECRET_KEY}
        made = client.data(
            "POST",
            "/v2/integrations",
            integration("webhook", configuration),
            by_design=(f"signing secret of {path}", "webhook secret_key"),
        )
        client.secrets[f"signing secret of {path}"] = made["signing_secret"].removeprefix("whsec_")
        made = client.data(
            "POST",
            f"/v2/integrations/{made['id']}/rotate-secret",
            by_design=(f"new signing secret of {path}", "webhook secret_key"),
        )
        client.secrets[f"new signing secret of {path}"] = made["signing_secret"].removeprefix("whsec_")
    for kind, configuration in others(there):
        made = client.data(
            "POST", "/v2/integrations", integration(kind, configuration), by_design=(f"signing secret of {kind}",)
        )
        client.secrets[f"signing secret of {kind}"] = made["signing_secret"].removeprefix("whsec_")


def others(there: FarSides) -> list[tuple[str, dict[str, Any]]]:
    keys = {"aws_access_key_id": AWS_KEY_ID, "aws_secret_access_key": AWS_SECRET, "region": "eu-central-1"}
    login = {"username": "courier", "password": STOMP_PASSWORD, "destination": "/queue/orders"}
    return [
        ("aws_sqs", {"url": there.sqs.queue_url, **keys}),
        ("stomp", {"addresses": [there.broker.address], **login}),
    ]


def sign_in(client: Client) -> None:
    """Make a key that may only read, and a bearer token."""
    reader = {"name": "reader", "permissions": ["integrations:read", "events:read", "deliveries:read"]}
    client.secrets["reader's API key"] = client.data("POST", "/v2/api-keys", reader, by_design=("reader's API key",))[
        "key"
    ]
    for secret, shown in ((client.writer, ("bearer token",)), (STRANGER, ())):
        form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": secret}
        answer = client.call("POST", "/oauth/access_token", data=form, by_design=shown)
        if shown:
            client.secrets["bearer token"] = answer["access_token"]


def deliver(client: Client, *, done: Callable[[Mapping[str, int]], bool], what: str) -> None:
    """Publish an event and wait until its deliveries stand as wanted."""
    event = {"type": "event", "event_type": "order.paid", "payload": {"data": {"id": "1"}}}
    path = f"/v2/events/{client.data('POST', '/v2/events', event)['id']}/deliveries"

    def stands() -> bool:
        counts: dict[str, int] = {}
        for one in client.data("GET", path):
            counts[one["status"]] = counts.get(one["status"], 0) + 1
        return done(counts)

    wait_until(stands, what, seconds=60)


def misbehave(client: Client, there: FarSides) -> None:
    """Send what is refused, with secrets in it: bad members, bad JSON, wrong keys, wrong permissions."""
    url, reader = there.receiver.url_of("/well"), client.secrets["reader's API key"]
    bad: list[tuple[str, dict[str, Any]]] = [
        ("webhook", {"url": "nonsense", "secret_key": SECRET_KEY}),
        ("webhook", {"url": f"http://{SECRET_KEY}@127.0.0.1/", "secret_key": SECRET_KEY}),
        ("webhook", {"url": url, "secret_key": f"{SECRET_KEY}\r\nX: y"}),
        ("webhook", {"url": url, "secret_key": [SECRET_KEY]}),
        ("webhook", {"url": url, "secret_kee": SECRET_KEY}),
        ("unheard-of", {"url": url, "secret_key": SECRET_KEY}),
    ]
    for kind, configuration in others(there):
        bad += [(kind, configuration | {"unknown": 1}), *((kind, configuration | {name: {}}) for name in configuration)]
    for kind, configuration in bad:
        for key in (client.writer, reader, STRANGER):
            client.call("POST", "/v2/integrations", json={"data": integration(kind, configuration)}, key=key)
    broken = json.dumps({"data": integration("webhook", {"url": url, "secret_key": SECRET_KEY})})
    for body in (broken[:-1], broken.replace("true", "NaN"), "\ufeff" + broken, broken.replace("true", "maybe")):
        for path in ("/v2/integrations", "/v2/events", "/v2/api-keys"):
            client.call("POST", path, content=body.encode(), headers={"Content-Type": "application/json"})
    for headers in ({"Authorization": client.writer}, {"Authorization": f"Basic {client.writer}"}):
        client.call("GET", "/v2/integrations", headers=headers)
    client.call("GET", f"/v2/integrations?access_token={quote(client.writer)}", by_design=("webhook secret_key",))


def look_everywhere(client: Client) -> int:
    """Ask every GET route as every caller, with ids that exist and that do not; tells how many routes there are."""
    paths = [path for path, methods in client.call("GET", "/openapi.json")["paths"].items() if "get" in methods]
    client.call("GET", "/metrics")
    keys = (client.writer, client.secrets["reader's API key"], client.secrets["bearer token"], STRANGER)
    for path in paths:
        for filled in _filled(client, path):
            for key in keys:
                # Elastic Path's way: who may write integrations reads a webhook's secret key.
                writes = key in (client.writer, client.secrets["bearer token"])
                shown = ("webhook secret_key",) if writes and path.startswith("/v2/integrations") else ()
                client.call("GET", filled, key=key, by_design=shown)
    return len(paths)


def _filled(client: Client, path: str) -> list[str]:
    """Fill a path's ids with those of everything that is listed, and with one of nothing."""
    if "{" not in path:
        return [path]
    head, _, rest = path.partition("{")
    _, _, tail = rest.partition("}")
    listed = client.call("GET", head.rstrip("/"), by_design=("webhook secret_key",))
    ids = [*[one["id"] for one in listed.get("data", [])][:20], str(uuid4())]
    return [part for each in ids for part in _filled(client, f"{head}{each}{tail}")]
