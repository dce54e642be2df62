"""Settings: environment variables that begin with `USERGRAPH_`; an unknown one is refused."""

import difflib
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from guard import Limits
from resolvers.catalogue import Catalogue, default_catalogue, read_catalogue
from resolvers.namespaces import read_namespaces, shipped_namespaces
from resolvers.purposes import read_purposes, shipped_purposes
from resolvers.request import Policy
from schema.sdl import Profile
from server.addresses import is_this_machine, parse_address
from server.deadlines import ENVOY_HEADER
from server.exchanges import AccessLog
from server.logs import Level, LogFormat
from server.origins import parse_origin
from server.rates import parse_rate
from store.sealing import parse_key_texts

PREFIX = "USERGRAPH_"
LIMITS = Limits()


def _split(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _check_addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    for number, text in enumerate(texts, start=1):
        try:
            parse_address(text)
        except ValueError as error:
            raise ValueError(f"address {number}: {error}") from error
    return texts


def _check_live(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    texts = [secret.get_secret_value() for secret in secrets]
    if len(texts) > 2 or any(not _is_strong(text) for text in texts):
        raise ValueError("Expected one or two values, each of 32 to 512 printable ASCII characters")
    return secrets


def _check_keys(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    parse_key_texts(tuple(secret.get_secret_value() for secret in secrets))
    return secrets


def _is_strong(text: str) -> bool:
    return 32 <= len(text) <= 512 and text.isascii() and text.isprintable()


def _check_origins(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(parse_origin, texts))


def _check_rate(text: str) -> str:
    parse_rate(text)
    return text


Rate = Annotated[str, AfterValidator(_check_rate)]
"""So many in a time, as `server/rates.py` reads it."""

TextList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Texts in one variable, separated by commas or spaces."""

OriginList = Annotated[TextList, AfterValidator(_check_origins)]
"""Origins in one variable, separated by commas or spaces."""

SecretList = Annotated[
    tuple[SecretStr, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_live)
]
"""One or two secrets in one variable, of which both are live."""

KeyList = Annotated[
    tuple[SecretStr, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_keys)
]
"""Key-encryption keys in one variable, as `store/sealing.py` reads them."""

AddressList = Annotated[TextList, AfterValidator(_check_addresses)]
"""Addresses of `server/addresses.py` in one variable, separated by commas or spaces."""


class SettingsError(Exception):
    """Settings that cannot be used; one line for each, saying what was expected."""


class Settings(BaseSettings):
    """Everything that differs between deployments; docs/configuration.md has a row for each."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    log_level: Level = Field("info", description="The least serious log lines to write.")
    log_format: LogFormat = Field(
        "auto",
        description="json, one object a line; text, for people; auto is text on a terminal.",
    )
    access_log: AccessLog = Field(
        "on",
        description="A log line for each request: on, off, or slow for those that take a second "
        "or fail here.",
    )
    explorer: bool | None = Field(
        None,
        description="Serve the explorer page at /; by default only with the development key. "
        "It needs INTROSPECTION.",
    )

    mongodb_uri: SecretStr | None = Field(
        None,
        min_length=1,
        description="Connection string of MongoDB; without it the embedded engine runs.",
    )
    mongodb_database: str = Field(
        "usergraph",
        pattern=r"^[A-Za-z0-9_-]{1,63}$",
        description="Database that holds the collections.",
    )
    mongodb_driver: Literal["motor", "pymongo"] = Field(
        "motor", description="Driver: motor, or PyMongo's own asynchronous client."
    )
    mongodb_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="The longest wait for one database operation, in seconds."
    )
    data_dir: Path = Field(
        Path(".data"), description="Folder of the embedded database and the development keys."
    )
    key_encryption_keys: KeyList = Field(
        (),
        description="The keys that wrap the users' data keys, each as name:base64 of 32 bytes, "
        "separated by commas or spaces, the newest last; needed with an issuer of tokens.",
    )
    ledger_key: SecretStr | None = Field(
        None,
        description="What seals the consent ledger, hides whose an entry is, and makes the digests "
        "of requests, for ever; 32 to 512 printable ASCII characters; needed with an issuer of "
        "tokens.",
    )

    token_issuer: str = Field(
        "http://localhost/usergraph", description="The `iss` that a token must carry."
    )
    token_audience: str = Field("usergraph", description="The `aud` that a token must name.")
    token_jwks_file: Path | None = Field(
        None,
        description="JSON Web Key Set with the issuer's public keys; "
        "without it and TOKEN_JWKS_URL a development key is made in DATA_DIR.",
    )
    token_jwks_url: str | None = Field(
        None,
        description="Where the issuer publishes that key set, instead of a file; https, or http "
        "on this machine.",
    )
    token_jwks_poll_seconds: float = Field(
        300, ge=1, le=86_400, description="How often the key set at TOKEN_JWKS_URL is read."
    )
    max_token_lifetime_seconds: int = Field(
        86_400,
        ge=60,
        description="The longest time until a token expires, in seconds; development tokens may "
        "live longer.",
    )
    token_leeway_seconds: int = Field(
        30, ge=0, le=60, description="How far clocks may differ when a token's times are checked."
    )

    router_secrets: SecretList = Field(
        (),
        description="What the router sends in x-router-authorization: one or two live values, "
        "separated by commas or spaces.",
    )
    router_hmac_keys: SecretList = Field(
        (),
        description="What the router signs requests with: one or two live values, separated by "
        "commas or spaces.",
    )
    router_required_for: Literal["nothing", "federation", "everything"] = Field(
        "federation",
        description="What is answered to the router alone: federation is _entities and _service, "
        "everything every operation; without ROUTER_SECRETS and ROUTER_HMAC_KEYS it is nothing.",
    )
    router_claims_header: str | None = Field(
        None,
        pattern=r"^[a-z0-9-]{1,64}$",
        description="The header in which the router forwards the claims of who asks, as JSON; "
        "by default in none.",
    )

    request_timeout_seconds: float = Field(
        10.0, gt=0, le=30, description="The longest time for one request, in seconds."
    )
    deadline_header: str = Field(
        ENVOY_HEADER,
        pattern=r"^[A-Za-z0-9-]{1,100}$",
        description="Header in which the router gives the milliseconds that are left "
        "for a request.",
    )
    max_header_bytes: int = Field(
        32_768, ge=1000, le=1_000_000, description="The most bytes of a request's head."
    )
    max_headers: int = Field(100, ge=10, le=1000, description="The most headers of a request.")
    max_in_flight_entities: int = Field(
        256, ge=1, description="The most queries with _entities that are carried out at once."
    )
    max_in_flight_queries: int = Field(
        256, ge=1, description="The most other queries that are carried out at once."
    )
    max_in_flight_mutations: int = Field(
        64, ge=1, description="The most mutations that are carried out at once."
    )
    max_subscriptions: int = Field(
        5000, ge=1, description="The most subscriptions that are open at once, over all transports."
    )
    rate_limit_per_user: Rate | None = Field(
        None, description="The most that one user may ask for, as in 1000/minute; none by default."
    )
    rate_limit_per_client: Rate | None = Field(
        None,
        description="The same for a client, by the client_id of its token; "
        "for the anonymous, by address.",
    )
    allowed_origins: OriginList = Field(
        (),
        description="Other origins, separated by commas or spaces, whose pages may open "
        "WebSockets, as in https://app.example.",
    )
    execution: Literal["compiled", "reference"] = Field(
        "compiled",
        description="Run operations as compiled plans, or all on the reference executor, "
        "graphql-core.",
    )
    max_body_bytes: int = Field(
        1_000_000, ge=1000, description="The longest request body, in bytes."
    )
    max_entities: int = Field(
        1000, ge=1, le=10_000, description="The most representations in one _entities field."
    )
    max_document_characters: int = Field(
        LIMITS.characters, ge=1000, le=1_000_000, description="The longest document, in characters."
    )
    max_document_tokens: int = Field(
        LIMITS.tokens,
        ge=100,
        le=100_000,
        description="The most tokens in a document; comments count.",
    )
    max_operations: int = Field(
        LIMITS.operations, ge=1, le=1_000, description="The most operations in a document."
    )
    max_fragments: int = Field(
        LIMITS.fragments, ge=0, le=1_000, description="The most fragments in a document."
    )
    max_depth: int = Field(
        LIMITS.depth, ge=1, le=100, description="How deep fields may be within each other."
    )
    max_nesting: int = Field(
        LIMITS.nesting,
        ge=1,
        le=150,
        description="How deep selections may be within each other, fragments too.",
    )
    max_height: int = Field(
        LIMITS.height,
        ge=1,
        le=100_000,
        description="The most fields in an operation, with its fragments where they are spread.",
    )
    max_root_fields: int = Field(
        LIMITS.root_fields, ge=1, le=100_000, description="The most root fields in an operation."
    )
    max_aliases: int = Field(
        LIMITS.aliases, ge=0, le=100_000, description="The most aliases in an operation."
    )
    max_directives: int = Field(
        LIMITS.directives, ge=0, le=100_000, description="The most directives in an operation."
    )
    max_pairs: int = Field(
        LIMITS.pairs,
        ge=0,
        le=1_000_000,
        description="The most pairs of fields in a document that have one key at one place.",
    )
    max_cost: int = Field(
        LIMITS.cost,
        ge=1,
        le=1_000_000,
        description="The highest estimated cost of an operation, as in docs/guard.md.",
    )
    cost_mode: Literal["enforce", "warn"] = Field(
        "enforce", description="Refuse an operation that costs too much, or only log it."
    )
    introspection: bool | None = Field(
        None,
        description="Tell clients the schema, and suggest names in errors; "
        "by default only with the development key.",
    )
    trusted_documents: Path | None = Field(
        None,
        description="Manifest of trusted documents, as Apollo, Relay or graphql-codegen write it.",
    )
    trusted_documents_only: bool = Field(
        False, description="Refuse every operation that is not in the manifest."
    )

    ws_messages_per_second: float = Field(
        50,
        gt=0,
        le=10_000,
        description="How many messages a WebSocket may send in a second; those of two at once.",
    )
    heartbeat_seconds: float = Field(
        12.0,
        ge=0.05,
        le=60,
        description="How often a stream over HTTP without news tells that it lives, in seconds.",
    )
    callback_urls: AddressList = Field(
        (),
        description="Addresses, separated by commas or spaces, under which a router may ask for "
        "subscription results by HTTP callback; without any there are no callbacks.",
    )

    federation_profile: Profile = Field(
        Profile.PORTABLE,
        description="Federation directives in the SDL: portable composes everywhere, "
        "router adds access directives.",
    )
    ftv1: bool = Field(True, description="Give federated traces to gateways that ask for them.")

    audit_file: Path | None = Field(
        None,
        description="File to which a line is added for each read of personal data of others; "
        "without it the lines go to the log.",
    )
    audit_purpose_required: bool = Field(
        False,
        description="Refuse services and staff who read personal data of others and do not say "
        "what for, in the header x-data-purpose.",
    )

    cache_tags: bool = Field(
        False, description="Tell routers the cache tags of each answer, in its extensions."
    )
    invalidation_urls: AddressList = Field(
        (),
        description="Where routers take invalidations, separated by commas or spaces, "
        "as in http://router:4001/invalidation.",
    )
    invalidation_key: SecretStr | None = Field(
        None, description="The key that the routers expect with an invalidation (`shared_key`)."
    )
    invalidation_subgraph: str = Field(
        "users", min_length=1, description="The name of this subgraph in the supergraph."
    )
    invalidation_delay_seconds: float = Field(
        0.2, ge=0, le=60, description="How long changes are gathered before routers are told."
    )

    purposes: Path | None = Field(
        None,
        description="File of the purposes that consent is asked for, as in docs/consents.md; "
        "without it samples.",
    )
    preferences: Path | None = Field(
        None,
        description="Folder of the namespaces of preferences, as in docs/preferences.md; "
        "without it samples.",
    )
    contact_sender: str | None = Field(
        None,
        description="Who takes the messages that verify contacts: an https address, or http on "
        "this machine; mailbox keeps them for the page /mailbox, which is the default with the "
        "development key.",
    )
    contact_sender_key: SecretStr | None = Field(
        None, description="The bearer token that CONTACT_SENDER expects."
    )
    contact_index_keys: KeyList = Field(
        (),
        description="The keys of the index of contacts, each as name:base64 of 32 bytes, separated "
        "by commas or spaces, the newest last; without, contacts work with the development key "
        "alone.",
    )

    supergraph_file: Path | None = Field(
        None,
        description="The supergraph's SDL: each other subgraph in it that knows of users owes a "
        "receipt for every erasure; without it nobody does.",
    )
    receipt_keys_file: Path | None = Field(
        None,
        description="JSON Web Key Set with the keys by which other subgraphs sign receipts for "
        "erasures, each kid beginning with the subgraph's name and a colon.",
    )
    certificate_key: SecretStr | None = Field(
        None,
        description="The private JSON Web Key that signs certificates of erasures; by default the "
        "development key, and with an issuer of tokens none.",
    )

    handle_cooldown_days: float = Field(
        30,
        ge=0,
        le=3650,
        description="How long a handle that was given up stays with its last owner.",
    )
    handle_change_interval_days: float = Field(
        7, ge=0, le=3650, description="How long to wait before changing a handle again."
    )

    catalogue_file: Path | None = Field(
        None,
        description="Catalogue of what each tier entitles to, instead of the one that comes with "
        "the service; docs/tiers.md tells its form.",
    )

    @field_validator("catalogue_file")
    @classmethod
    def _can_be_used(cls, path: Path | None) -> Path | None:
        if path is not None:
            read_catalogue(path)
        return path

    erasure_delay_days: float = Field(
        14,
        ge=0,
        le=365,
        description="How long after it was asked for an account is erased; until then its owner "
        "may cancel it.",
    )

    @field_validator("trusted_documents_only")
    @classmethod
    def _trusts_something(cls, only: bool, others: ValidationInfo) -> bool:
        if only and others.data.get("trusted_documents") is None:
            raise ValueError(f"{PREFIX}TRUSTED_DOCUMENTS is needed with it")
        return only

    @field_validator("token_jwks_url")
    @classmethod
    def _is_one_source(cls, url: str | None, others: ValidationInfo) -> str | None:
        """Refuses an address besides a file, and one that others could answer for."""
        if url is None:
            return None
        if others.data.get("token_jwks_file") is not None:
            raise ValueError(f"Expected it or {PREFIX}TOKEN_JWKS_FILE, not both")
        address = parse_address(url)
        if address.scheme != "https" and not is_this_machine(address.host.strip("[]")):
            raise ValueError("Expected https, or http on this machine")
        return url

    @field_validator("router_required_for", "router_claims_header")
    @classmethod
    def _knows_its_router(cls, value: str | None, others: ValidationInfo) -> str | None:
        if others.field_name == "router_required_for" and value != "everything":
            return value
        known = others.data.get("router_secrets") or others.data.get("router_hmac_keys")
        if value and not known:
            raise ValueError(
                f"{PREFIX}ROUTER_SECRETS or {PREFIX}ROUTER_HMAC_KEYS is needed with it"
            )
        return value

    @field_validator("certificate_key")
    @classmethod
    def _is_json(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            is_object = isinstance(json.loads(value.get_secret_value() if value else "{}"), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise ValueError("Expected a JSON Web Key")
        return value

    @field_validator("ledger_key")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_strong(value.get_secret_value()):
            raise ValueError("Expected 32 to 512 printable ASCII characters")
        return value

    @field_validator("contact_sender")
    @classmethod
    def _takes_messages(cls, sender: str | None, others: ValidationInfo) -> str | None:
        """Refuses to send codes where others read them."""
        issuer = others.data.get("token_jwks_file") or others.data.get("token_jwks_url")
        if sender == "mailbox" and issuer:
            raise ValueError("Expected an address where tokens come from an issuer")
        if sender not in (None, "mailbox"):
            address = parse_address(sender)
            if address.scheme != "https" and not is_this_machine(address.host.strip("[]")):
                raise ValueError("Expected https, or http on this machine")
        return sender

    @field_validator("invalidation_key", "contact_sender_key")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuses what no header can carry."""
        text = value.get_secret_value() if value else "none"
        if not (text.isascii() and text.isprintable() and text == text.strip() and text):
            raise ValueError("Expected printable ASCII characters, without spaces at the ends")
        return value

    @property
    def policy(self) -> Policy:
        """The rules' numbers and registries. Raises: UnusablePurposes, UnusableNamespaces."""
        return Policy(
            handle_cooldown=timedelta(days=self.handle_cooldown_days),
            handle_change_interval=timedelta(days=self.handle_change_interval_days),
            erasure_delay=timedelta(days=self.erasure_delay_days),
            max_entities=self.max_entities,
            operation_timeout=timedelta(seconds=self.request_timeout_seconds),
            purpose_required=self.audit_purpose_required,
            purposes=read_purposes(self.purposes) if self.purposes else shipped_purposes(),
            namespaces=(
                read_namespaces(self.preferences) if self.preferences else shipped_namespaces()
            ),
            catalogue=self._catalogue,
        )

    @property
    def _catalogue(self) -> Catalogue:
        return read_catalogue(self.catalogue_file) if self.catalogue_file else default_catalogue()

    @property
    def limits(self) -> Limits:
        """What a document may hold and an operation may cost."""
        introspection = self.introspection
        return Limits(
            characters=self.max_document_characters,
            tokens=self.max_document_tokens,
            operations=self.max_operations,
            fragments=self.max_fragments,
            depth=self.max_depth,
            nesting=self.max_nesting,
            height=self.max_height,
            root_fields=self.max_root_fields,
            aliases=self.max_aliases,
            directives=self.max_directives,
            pairs=self.max_pairs,
            cost=self.max_cost,
            enforces_cost=self.cost_mode == "enforce",
            introspection=not self.has_issuer if introspection is None else introspection,
        )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_this_machine(self.host)

    @property
    def has_issuer(self) -> bool:
        """Whether tokens come from an issuer, and not from the development key."""
        return self.token_jwks_file is not None or self.token_jwks_url is not None

    @property
    def knows_router(self) -> bool:
        """Whether a router can prove itself."""
        return bool(self.router_secrets or self.router_hmac_keys)

    @property
    def serves_mailbox(self) -> bool:
        """Whether messages are kept for a page that only this machine can reach."""
        is_kept = self.contact_sender == "mailbox" or (
            self.contact_sender is None and not self.has_issuer
        )
        return is_kept and self.is_local

    @property
    def serves_explorer(self) -> bool:
        """Whether the explorer page is served."""
        return not self.has_issuer if self.explorer is None else self.explorer


SECRETS = tuple(
    name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)
"""The settings that must not be shown; each may be the content of a file instead."""

FILE_SUFFIX = "_FILE"


def load_settings() -> Settings:
    """The settings of this process. Raises: SettingsError."""
    problems = list(_unknown_keys())
    settings = None
    secrets = _secrets_in_files(problems)
    try:
        settings = Settings(**secrets)
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0]).upper() if problem["loc"] else ""
            problems.append(f"{PREFIX}{name}: {problem['msg']}")
    if problems or settings is None:
        raise SettingsError("\n".join(problems))
    return settings


def _unknown_keys() -> Iterator[str]:
    known = [name.upper() for name in Settings.model_fields]
    known += [f"{name}{FILE_SUFFIX}" for name in known if name.lower() in SECRETS]
    for key in sorted(os.environ):
        name = key.upper().removeprefix(PREFIX)
        if key.upper().startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {PREFIX}{close[0]}?" if close else "docs/configuration.md has all"
            yield f"{key}: there is no such setting; {hint}"


def _secrets_in_files(problems: list[str]) -> dict[str, Any]:
    """The secrets whose files are named; what is wrong with a file is added to the problems."""
    variables = {key.upper(): value for key, value in os.environ.items()}
    found: dict[str, Any] = {}
    for name in SECRETS:
        variable = f"{PREFIX}{name.upper()}"
        path = variables.get(f"{variable}{FILE_SUFFIX}")
        if path is None:
            continue
        if variable in variables:
            problems.append(f"{variable}{FILE_SUFFIX}: Expected it or {variable}, not both")
            continue
        try:
            found[name] = Path(path).read_text().removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not text in UTF-8"
            problems.append(f"{variable}{FILE_SUFFIX}: The file cannot be read: {why}")
    return found
