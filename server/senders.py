"""Senders: who takes the messages for contacts, and the keys of their index, by the settings."""

import ssl

import httpx

from resolvers.senders import Message, NotSent, Sender
from server.addresses import parse_address
from server.keys import kept_key_text
from server.mailbox import Mailbox
from server.settings import Settings
from store.digests import DigestKeys
from store.sealing import parse_key_texts

MAILBOX = "mailbox"
ATTEMPT_SECONDS = 3.0


class HTTPSender:
    """Posts each message to one address; what answers with a status of 200 to 299 has taken it."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = str(parse_address(url))
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._context = ssl.create_default_context()

    async def send(self, message: Message) -> None:
        """Posts one message. Raises: NotSent."""
        body = {
            "id": message.id,
            "kind": message.kind.value,
            "to": message.to,
            "purpose": message.purpose.value,
            "code": message.code,
            "locale": message.locale,
        }
        try:
            # No proxy and no .netrc from the environment, and no other place to go to.
            async with (
                httpx.AsyncClient(
                    verify=self._context, timeout=ATTEMPT_SECONDS, trust_env=False
                ) as client,
                client.stream("POST", self._url, json=body, headers=self._headers) as answer,
            ):
                is_taken = answer.is_success
        except httpx.HTTPError as error:
            raise NotSent(type(error).__name__) from None
        if not is_taken:
            raise NotSent(f"the answer was {answer.status_code}")


def sender_of(settings: Settings) -> Sender | None:
    """Who takes the messages; nobody in production unless the settings say so."""
    chosen = settings.contact_sender
    if chosen is None:
        return None if settings.has_issuer else Mailbox()
    if chosen == MAILBOX:
        return Mailbox()
    key = settings.contact_sender_key
    return HTTPSender(chosen, key.get_secret_value() if key else None)


def digest_keys_of(settings: Settings) -> DigestKeys | None:
    """The keys of the index; those of DATA_DIR in development, and none in production without.

    Raises: OSError, ValueError when that of DATA_DIR cannot be used.
    """
    texts = tuple(secret.get_secret_value() for secret in settings.contact_index_keys)
    if not texts and settings.has_issuer:
        return None
    if not texts:
        texts = (kept_key_text(settings.data_dir / "development-contact-index-key.txt"),)
    return DigestKeys(parse_key_texts(texts))
