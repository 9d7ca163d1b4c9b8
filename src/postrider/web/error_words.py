"""What does this error word mean, and what is to be done about it? The sentences that people read."""

from __future__ import annotations

_HTTP = "http_"
_STATUSES = {
    400: "The receiver could not make sense of the request: compare what was sent with what it expects.",
    401: "The receiver does not accept the credentials: check the secret key on both sides.",
    403: "The receiver refuses access: check the secret key, and whether it lets Postrider's address in.",
    404: "The receiver knows no such address: check the integration's URL.",
    405: "The receiver takes no POST at this address: check the integration's URL.",
    408: "The receiver gave up waiting for the request.",
    409: "The receiver says that the event clashes with what it has.",
    410: "The receiver is gone for good. The integration was switched off; give it a new URL or delete it.",
    413: "The receiver takes no body of this size.",
    415: "The receiver does not take JSON at this address: check the integration's URL.",
    422: "The receiver found the event's content wrong: correct it with “Edit and resend”.",
    429: "The receiver gets too many requests: set a rate limit in the integration.",
    500: "The receiver failed inside: its answer or its own log tells why.",
    502: "A proxy before the receiver did not reach it: it may be down.",
    503: "The receiver is overloaded or down for now.",
    504: "A proxy before the receiver waited too long for it.",
}
_HUNDREDS = {
    2: "The receiver answered, but not with a status that this integration takes for a success.",
    3: "The receiver redirects to another address, which is not followed: set the integration's URL to the new one.",
    4: "The receiver refuses the request: its answer may tell why.",
    5: "The receiver failed inside: its answer or its own log tells why.",
}
_REPLIES = (
    ("smtp_4", "The mail server does not take it now: its answer is in the detail, and this may pass by itself."),
    ("smtp_5", "The mail server refuses it: its answer tells whether the receiver, the sender or the mail is why."),
    ("mitto_", "Mitto did not send it: its answer is in the detail."),
)
_OTHER_STATUS = "The receiver answered with a status that is no success."
# Behind the words of the attempt itself, which they do not say again, or alone behind the title.
_WORDS = {
    # No connection.
    "address_refused": "Private and reserved addresses are closed: give it a public one, or ask the operator.",
    "connection_closed": "The receiver may have been restarting.",
    "connection_failed": "Check the address, and whether the receiver runs.",
    "connection_lost": "The connection broke before the message was confirmed. It may have arrived.",
    "connection_refused": "The receiver may be down, or its port is wrong.",
    "connection_reset": "The receiver, or a proxy before it, may have been restarting.",
    "dns_failed": "A name server had trouble: this may pass by itself.",
    "dns_not_found": "Check the integration's address for a typing error.",
    "dns_timeout": "A name server is slow or away: this may pass by itself.",
    "timeout": "The receiver is slow or down. The time allowed can be raised.",
    "tls_failed": "Check the receiver's certificate.",
    "unreachable": "Check the address, and the firewalls between.",
    "out_of_sockets": "The worker had no sockets left: raise its limit of open files.",
    # No sense in the answer, or in what is to be sent.
    "bad_response": "The answer could not be understood: something else may be listening at this address.",
    "headers_too_large": "Something else than the receiver may be answering at this address.",
    "invalid_header": "A header of the integration cannot be sent: correct it.",
    "invalid_url": "Correct the integration's URL.",
    "body_refused": "The queue takes no message with this content: correct it with “Edit and resend”.",
    "body_too_large": "The message is larger than the far side takes.",
    "compose_failed": "No message could be made of the event with the integration's configuration: look at the detail.",
    "not_written": "The request was not ready in time: its templates have much to do, or many wait for theirs.",
    "template_failed": "A template of the integration asks for what the event does not have: the detail says for what.",
    # Credentials and places.
    "access_denied": "The credentials are known, but may not write there: give them the right to.",
    "connect_refused": "The broker refused the connection: its answer tells why.",
    "destination_not_found": "The broker has no such destination: create it, or correct the integration.",
    "invalid_credentials": "The credentials are not accepted: correct them in the integration.",
    "login_not_offered": "The mail server offers no way to log in on this port: another port may.",
    "login_refused": "The far side refused the login: check the user and the password in the integration.",
    "queue_key_refused": "The key that the queue is encrypted with cannot be used: give the credentials the right to.",
    "queue_not_found": "There is no such queue: create it, or correct its URL in the integration.",
    "tls_not_offered": "The mail server offers no STARTTLS, and nothing is sent in clear: try port 465.",
    # A provider does not send it.
    "mail_invalid": "The provider found the receiver's address wrong: correct it with “Edit and resend”.",
    "mail_rejected": "The provider does not send to this receiver, or by this sender: its reason is in the detail.",
    "not_published": "Salesforce did not publish the event: its words are in the detail.",
    "payment_required": "The provider wants to be paid before it sends more.",
    "unknown_subaccount": "The provider does not know the account that the key belongs to.",
    "validation_error": "The provider found something wrong in the mail: its words are in the detail.",
    # The far side is not well.
    "internal_error": "Something failed inside, here or at the far side: look at the detail.",
    "receipt_timeout": "The broker did not confirm the message in time. It may have arrived.",
    "service_unavailable": "The service is down for now.",
    "sqs_refused": "SQS refused the message: its answer tells why.",
    "stomp_error": "The broker answered with an error: its words are in the detail.",
    "stomp_version": "The broker speaks neither STOMP 1.1 nor 1.2: another address or port may.",
    "request_limit_exceeded": "The provider is asked too often: set a rate limit in the integration.",
    "throttled": "SQS is asked too often: set a rate limit in the integration.",
    # Nobody's answer.
    "stopped": "The worker stopped before an answer came. The event may have arrived.",
    "worker_lost": "Workers ended while they had it in hand: it may use more memory than they have.",
}
NO_ERROR = "No attempt of these ended with an error: they were made dead letters by hand."


def meaning(error: str) -> str:
    """Say what an error word means; empty for a third party's word, which speaks for itself."""
    if not error:
        return NO_ERROR
    status = error.removeprefix(_HTTP)
    if error.startswith(_HTTP) and status.isdecimal():
        return _STATUSES.get(int(status)) or _HUNDREDS.get(int(status) // 100, _OTHER_STATUS)
    return _WORDS.get(error) or next((text for begin, text in _REPLIES if error.startswith(begin)), "")


def title(error: str) -> str:
    """Write an error word as a heading: `HTTP 500`, `Connection refused`."""
    status = error.removeprefix(_HTTP)
    if error.startswith(_HTTP) and status.isdecimal():
        return f"HTTP {status}"
    if error.startswith("smtp_"):
        return f"SMTP {error.removeprefix('smtp_')}"
    words = error.replace("_", " ")
    return _SPELT.get(error) or words[:1].upper() + words[1:] or "No error"


_SPELT = {
    "dns_failed": "DNS failed",
    "dns_not_found": "Host name not found",
    "dns_timeout": "DNS timeout",
    "invalid_url": "Invalid URL",
    "sqs_refused": "SQS refused it",
    "stomp_error": "STOMP error",
    "stomp_version": "STOMP version",
    "tls_failed": "TLS failed",
    "tls_not_offered": "TLS not offered",
}
