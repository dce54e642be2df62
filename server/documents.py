"""Documents by name: automatic persisted queries (APQ) and trusted documents.

Source: Apollo's APQ protocol, version 1; GraphQL over HTTP, appendix A (persisted documents).
"""

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from execution.cache import Found
from schema.federation import FederatedSchema, several_operations
from server.errors import RequestError, bad_request
from server.requests import Parameters

MAX_LEARNED_BYTES = 16_000_000
"""What a process keeps of learned documents; the ones not used for longest go first."""
ENTRY_BYTES = 250
"""What a document takes besides its text: many short ones would fill the memory otherwise."""
SHA256_PREFIX = "sha256:"


class Documents:
    """Finds the text of an operation that is given, named by its hash, or named by an id.

    `trusted` goes from id to text, as a manifest gives them. With `trusted_only` nothing else is
    carried out, and nothing is learned.
    """

    def __init__(
        self, trusted: Mapping[str, str] | None = None, *, trusted_only: bool = False
    ) -> None:
        # graphql-codegen writes ids with the prefix; clients send them with it or without.
        self._trusted = {
            document_id.removeprefix(SHA256_PREFIX): text
            for document_id, text in (trusted or {}).items()
        }
        self._trusted_texts = frozenset(self._trusted.values())
        self._trusted_only = trusted_only
        self._learned = _Learned(0 if trusted_only else MAX_LEARNED_BYTES)

    def text_of(self, parameters: Parameters) -> str:
        """The text of the operation. Raises: RequestError."""
        if parameters.document_id is not None:
            if parameters.query is not None:
                raise bad_request("Expected query or documentId, not both.")
            return self._by_id(parameters.document_id)
        digest = _persisted_hash(parameters.extensions)
        text = parameters.query
        if text is None:
            if digest is None:
                raise bad_request("Expected query to be a GraphQL document.")
            return self._by_hash(digest)
        if digest is not None and hashlib.sha256(text.encode()).hexdigest() != digest:
            raise RequestError(
                400, "PERSISTED_QUERY_HASH_MISMATCH", "provided sha does not match query"
            )
        if self._trusted_only and text not in self._trusted_texts:
            raise RequestError(
                400, "QUERY_NOT_IN_SAFELIST", "Only documents of the manifest are carried out."
            )
        if not text.strip():
            raise bad_request("Expected query to be a GraphQL document.")
        return text

    def learn(self, parameters: Parameters, text: str) -> None:
        """Remembers a text that came with its hash and that proved to be carried out."""
        digest = _persisted_hash(parameters.extensions)
        if digest is not None and parameters.query is not None:
            self._learned.put(digest, text)

    def _by_id(self, document_id: str) -> str:
        text = self._trusted.get(document_id.removeprefix(SHA256_PREFIX))
        if text is None:
            raise RequestError(
                400, "PERSISTED_QUERY_NOT_IN_LIST", "The manifest has no document of this id."
            )
        return text

    def _by_hash(self, digest: str) -> str:
        text = self._trusted.get(digest) or self._learned.get(digest)
        if text is not None:
            return text
        if self._trusted_only:
            return self._by_id(digest)
        # Clients look for these very words and this code; Apollo Server sends them with status 200.
        raise RequestError(200, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")


def checked_document(schema: FederatedSchema, text: str, operation_name: str | None) -> Found:
    """The operation of a text that is GraphQL and holds it, before a connection carries it.

    Raises: RequestError.
    """
    found = schema.find(text, operation_name)
    operation = found.operation
    if operation.document is None:
        error = operation.errors[0]
        details = dict(error.extensions or {})
        code = str(details.pop("code", "GRAPHQL_PARSE_FAILED"))
        raise RequestError(400, code, error.message, details=details)
    if operation.type is None or several_operations(operation.document, operation_name):
        raise RequestError(
            400, "OPERATION_RESOLUTION_FAILURE", "The document has no such operation, or several."
        )
    return found


class _Learned:
    """Texts by hash, as many as fit into a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._texts: OrderedDict[str, str] = OrderedDict()

    def get(self, digest: str) -> str | None:
        text = self._texts.get(digest)
        if text is not None:
            self._texts.move_to_end(digest)
        return text

    def put(self, digest: str, text: str) -> None:
        if digest in self._texts or _size(text) > self._max_bytes:
            return
        self._texts[digest] = text
        self._bytes += _size(text)
        while self._bytes > self._max_bytes:
            _, dropped = self._texts.popitem(last=False)
            self._bytes -= _size(dropped)


def _size(text: str) -> int:
    return sys.getsizeof(text) + ENTRY_BYTES


def _persisted_hash(extensions: Mapping[str, Any]) -> str | None:
    """The hash in `extensions.persistedQuery`; None when there is no such extension."""
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or not isinstance(persisted.get("sha256Hash"), str):
        raise bad_request("Expected persistedQuery to hold version and sha256Hash.")
    if persisted.get("version") != 1:
        raise bad_request("Unsupported persisted query version")
    digest: str = persisted["sha256Hash"]
    return digest
