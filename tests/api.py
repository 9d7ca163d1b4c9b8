"""The web app of a house behind a real server, and a client for it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx
import uvicorn
from house import House
from httpx import Response
from servers.process import wait_until

from postrider.control import keys
from postrider.domain.access import Permission
from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.pipeline.publish import Publisher
from postrider.store import deliveries
from postrider.store.tenants import Tenant
from postrider.web.app import create_app
from postrider.web.limits import Limits
from postrider.web_server import Patience, WebConfig


class _PromptServer(uvicorn.Server):
    """uvicorn, without its naps of a tenth of a second between being told to end and ending."""

    def end(self) -> None:
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._ending.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for _ in range(10):
            if not self.server_state.connections and not self.server_state.tasks:
                await self.lifespan.shutdown()
                return
            await asyncio.sleep(0.001)
        await super().shutdown(sockets)


class Api:
    """A client with a key that may do everything."""

    def __init__(self, house: House, *, limits: Limits | None = None, **server: Any) -> None:
        """Serve a house; `server` is said to uvicorn."""
        self.house = house
        self.publisher = Publisher(house.services)
        self.app = create_app(house.services, self.publisher, limits)
        patience = Patience(request_seconds=30, connections=800)
        config = WebConfig(
            self.app,
            patience=patience,
            host="127.0.0.1",
            port=0,
            log_config=None,
            timeout_graceful_shutdown=5,
            **server,
        )
        self._server = _PromptServer(config)
        self._thread = threading.Thread(target=self._server.run, name="web")
        self.key = self.new_key(*Permission)

    def __enter__(self) -> Self:
        self.publisher.start()
        self._thread.start()
        wait_until(lambda: self._server.started or not self._thread.is_alive(), "the web server listens")
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        # It speaks plain HTTP: reading the authorities takes longer than most tests.
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30, trust_env=False, verify=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self._server.end()
        self._thread.join()
        self.publisher.stop()

    def new_key(self, *permissions: Permission, tenant: Tenant | None = None, **more: Any) -> str:
        """Make a key of the house's tenant, or of another."""
        tenant_id = (tenant or self.house.tenant).id
        return keys.create_key(self.house.services, tenant_id, name="test", permissions=permissions, **more).secret

    def call(self, method: str, path: str, *, key: str | None = None, **given: Any) -> Response:
        """Send a request with the given key, or the one that may do everything."""
        headers = {"Authorization": f"Bearer {key or self.key}", **given.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **given)

    def get(self, path: str, **given: Any) -> Response:
        return self.call("GET", path, **given)

    def data(self, path: str) -> Any:
        """Get what must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def post(self, path: str, data: object = None, **given: Any) -> Response:
        """Post `{"data": data}`; without data an empty body."""
        more: dict[str, Any] = {} if data is None else {"json": {"data": data}}
        return self.call("POST", path, **more, **given)

    def post_bytes(self, path: str, content: bytes | Iterable[bytes], **given: Any) -> Response:
        """Post bytes as they are, as JSON when nothing else is said."""
        headers = {"Content-Type": "application/json", **given.pop("headers", {})}
        return self.call("POST", path, content=content, headers=headers, **given)

    def publish(self, event_type: str = "order.paid", payload: object = None, **more: Any) -> UUID:
        """Publish an event; gives its id."""
        answer = self.post("/v2/events", {"type": "event", "event_type": event_type, "payload": payload, **more})
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["data"]["id"])

    def deliver_to_nobody(self, status: DeliveryStatus, *, reason: str = "") -> Delivery:
        """Publish an event for an integration and take its delivery to a status, as a worker or a person would."""
        integration = self.house.integrate("http://127.0.0.1:9/")
        self.publish()
        self.house.fan_out()
        (delivery,) = self.house.deliveries(integration_id=integration.id)
        for step in _WAYS[status]:
            self.move(delivery, step, reason=reason)
        return delivery

    def move(self, delivery: Delivery, to: DeliveryStatus, *, reason: str = "") -> None:
        """Give a delivery another status."""
        now = self.house.clock.now()
        with self.house.services.database.write() as tx:
            moved = deliveries.move(
                tx, delivery.tenant_id, delivery.id, to=to, from_statuses=list(DeliveryStatus), reason=reason, now=now
            )
        assert moved


_WAYS = {
    DeliveryStatus.PENDING: (),
    DeliveryStatus.SENDING: (DeliveryStatus.SENDING,),
    DeliveryStatus.DELIVERED: (DeliveryStatus.SENDING, DeliveryStatus.DELIVERED),
    DeliveryStatus.DEAD: (DeliveryStatus.SENDING, DeliveryStatus.DEAD),
    DeliveryStatus.DISCARDED: (DeliveryStatus.DISCARDED,),
}


def only_error(answer: Response) -> dict[str, Any]:
    """Give the one error of an answer, having checked its form."""
    body = answer.json()
    assert list(body) == ["errors"], answer.text
    (error,) = body["errors"]
    assert error["status"] == answer.status_code
    assert error["title"]
    assert error["detail"]
    return dict(error)
