"""Access tokens as Elastic Path gives them: for an API key in the place of the client's secret."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from pydantic import BaseModel

from postrider.control import keys, tokens
from postrider.domain.errors import InvalidInput, NotAuthenticated
from postrider.web.auth import ServicesDep
from postrider.web.errors import Errors

GRANT: Literal["client_credentials"] = "client_credentials"
router = APIRouter(tags=["access tokens"])


class AccessToken(BaseModel):
    """A token to send as `Authorization: Bearer`."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int
    """Seconds."""
    expires: int
    """Seconds since 1970."""
    identifier: Literal["client_credentials"] = GRANT


@router.post("/oauth/access_token", responses={401: {"model": Errors}})
def get_access_token(
    services: ServicesDep,
    grant_type: Annotated[str, Form(description=f"`{GRANT}`")] = "",
    client_id: Annotated[str, Form(description="Anything but nothing.")] = "",
    client_secret: Annotated[str, Form(description="An API key.")] = "",
) -> AccessToken:
    """Give an access token for an API key; it ends with the key, or after an hour."""
    _check(grant_type, client_id)
    if not client_secret:
        raise NotAuthenticated("client_secret: give an API key")
    key = keys.find_key(services, client_secret)
    now = services.clock.now()
    token = tokens.issue(services.pepper, key, now=now)
    return AccessToken(
        access_token=token.text,
        expires_in=max(0, int((token.expires_at - now).total_seconds())),
        expires=int(token.expires_at.timestamp()),
    )


def _check(grant_type: str, client_id: str) -> None:
    if grant_type != GRANT:
        raise InvalidInput(
            "grant_type",
            f"grant_type: must be {GRANT}, with an API key as client_secret; there are no anonymous tokens",
        )
    if not client_id:
        raise InvalidInput("client_id", "client_id: must not be empty")
