"""AWS clients, kept by what they are made of; never with the dispatcher's own credentials, proxies or profile."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3.session
import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST_CLIENTS = 256
CONNECTIONS_PER_CLIENT = 32
LONGEST_CONNECT_SECONDS = 3.0

# The machine's profile and files are the dispatcher's own business: they must not decide about a tenant's calls.
_NO_FILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


@dataclass(frozen=True, slots=True)
class Account:
    """What a client is made of."""

    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    seconds: float
    """For a whole call: to connect, and to wait for the answer."""


class SqsClients:
    """Up to `most` clients, the least recently used one closed first; safe to use from any thread."""

    def __init__(self, endpoint_url: str | None = None, *, most: int = MOST_CLIENTS) -> None:
        self._endpoint_url = endpoint_url
        self._most = most
        self._lock = threading.Lock()
        self._clients: OrderedDict[Account, SQSClient] = OrderedDict()
        self._session: boto3.session.Session | None = None

    def get(self, account: Account) -> SQSClient:
        """Give the client of an account; making the first one takes some 50 ms, others 3 ms."""
        with self._lock:
            client = self._clients.get(account)
            if client is None:
                client = self._clients[account] = self._make(account)
            self._clients.move_to_end(account)
            dropped = [self._clients.popitem(last=False)[1] for _ in range(len(self._clients) - self._most)]
        # A call that is under way on a closed client ends as it would have.
        for one in dropped:
            one.close()
        return client

    def close(self) -> None:
        """Close all connections; a client that is asked for later is made anew."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    def _make(self, account: Account) -> SQSClient:
        if self._session is None:
            core = botocore.session.Session(session_vars=_NO_FILES)
            self._session = boto3.session.Session(botocore_session=core)
        return self._session.client(
            "sqs",
            region_name=account.region,
            endpoint_url=self._endpoint_url,
            aws_access_key_id=account.access_key_id,
            aws_secret_access_key=account.secret_access_key,
            config=_config(account.seconds),
        )


def _config(seconds: float) -> Config:
    connect = min(LONGEST_CONNECT_SECONDS, seconds / 3)
    return Config(
        connect_timeout=connect,
        read_timeout=seconds - connect,
        # Only domain/retry.py decides about a second try.
        retries={"total_max_attempts": 1, "mode": "standard"},
        # An empty mapping, unlike None, keeps botocore from asking the environment.
        proxies={},
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # the stubs do not know it yet
        max_pool_connections=CONNECTIONS_PER_CLIENT,
        tcp_keepalive=True,
        # The queue's URL and the entries are ours and checked before.
        parameter_validation=False,
    )
