"""Access tokens as Elastic Path gives them: for an API key in the place of the client's secret."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Form, Request

from postrider.control import keys, tokens
from postrider.domain.access import ApiKey
from postrider.domain.errors import InvalidInput, NotAuthenticated
from postrider.services import Services
from postrider.web.auth import Authenticator, ServicesDep
from postrider.web.limits import host_of
from postrider.web.openapi import answers, operations

from .fields import Shown

# Described as required; what is missing is told by `_check`, in the words of this API.
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "required": ["grant_type", "client_id", "client_secret"],
                    "properties": {
                        "grant_type": {"enum": ["client_credentials"]},
                        "client_id": {"minLength": 1},
                        "client_secret": {"minLength": 1},
                    },
                }
            }
        },
    }
}
GRANT: Literal["client_credentials"] = "client_credentials"
router = operations("Access tokens")


class AccessToken(Shown):
    """A token to send as `Authorization: Bearer`."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int
    """Seconds."""
    expires: int
    """Seconds since 1970."""
    identifier: Literal["client_credentials"] = GRANT


@router.post("/oauth/access_token", responses=answers(401), openapi_extra=_BODY)
def get_access_token(
    request: Request,
    services: ServicesDep,
    grant_type: Annotated[str, Form(description=f"`{GRANT}`")] = "",
    client_id: Annotated[str, Form(description="Anything but nothing.")] = "",
    client_secret: Annotated[str, Form(description="An API key.")] = "",
) -> AccessToken:
    """Give an access token for an API key; it ends with the key, or after an hour."""
    _check(grant_type, client_id)
    if not client_secret:
        raise NotAuthenticated("client_secret: give an API key")
    key = _key(request, services, client_secret)
    now = services.clock.now()
    token = tokens.issue(services.pepper, key, now=now)
    return AccessToken(
        access_token=token.text,
        expires_in=max(0, int((token.expires_at - now).total_seconds())),
        expires=int(token.expires_at.timestamp()),
    )


def _key(request: Request, services: Services, secret: str) -> ApiKey:
    authenticator: Authenticator = request.app.state.authenticator
    host = host_of(request)
    authenticator.sign_ins.check(host)
    try:
        return keys.find_key(services, secret)
    except NotAuthenticated as error:
        raise authenticator.sign_ins.failed(host, error) from None


def _check(grant_type: str, client_id: str) -> None:
    if grant_type != GRANT:
        raise InvalidInput(
            "grant_type",
            f"grant_type: must be {GRANT}, with an API key as client_secret; there are no anonymous tokens",
        )
    if not client_id:
        raise InvalidInput("client_id", "client_id: must not be empty")
