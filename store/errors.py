"""What can go wrong between the service and its database.

StoreFault
├── StoreTimeout        the deadline passed; a write may or may not have happened
├── StoreUnavailable    no server could be reached
├── HistoryLost         a change stream cannot go on where it was
├── KeyUnavailable      the key-encryption key is not there, or its service does not answer
├── SealBroken          sealed data that its key does not open
├── LedgerBroken        another entry lies where one of a ledger belongs
└── DuplicateKey        a document with this `_id` exists already
"""


class StoreFault(Exception):
    """A database operation failed; the cause is in `__cause__`."""

    code = "INTERNAL_SERVER_ERROR"


class StoreTimeout(StoreFault):
    """The deadline passed; a write may or may not have happened."""

    code = "TIMEOUT"


class StoreUnavailable(StoreFault):
    """No server could be reached; a write may or may not have happened."""

    code = "UNAVAILABLE"


class HistoryLost(StoreFault):
    """A change stream cannot go on where it was: what happened since then is not known."""


class KeyUnavailable(StoreFault):
    """The key-encryption key is not there, or its service does not answer."""

    code = "UNAVAILABLE"


class SealBroken(StoreFault):
    """Sealed data that its key does not open: it is another's, or was tampered with."""


class LedgerBroken(StoreFault):
    """Another entry lies where one of a ledger belongs: somebody tampered, or restored a backup."""


class DuplicateKey(StoreFault):
    """A document with this `_id` exists already."""
