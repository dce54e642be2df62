"""Development tokens: what they may do, and those that a running server offers to try it with."""

from pipelines.seed import sample_id, sample_user
from resolvers.authorization import AUTHORIZATION, ViewerKind
from resolvers.viewer import STAFF_SCOPE
from server.archive import SCOPE as ARCHIVE_SCOPE
from server.explorer import OfferedToken
from server.keys import DevelopmentKey
from server.settings import Settings

TOKEN_DAYS = 30
PERSON_SCOPES = sorted([*AUTHORIZATION.scopes_of(ViewerKind.SELF), ARCHIVE_SCOPE])
SERVICE_TOKEN_SCOPES = AUTHORIZATION.scopes_of(ViewerKind.SERVICE)
KNOWN_SCOPES = {*PERSON_SCOPES, *SERVICE_TOKEN_SCOPES, STAFF_SCOPE}


def offered_tokens(settings: Settings) -> list[OfferedToken]:
    """Tokens for sample users and a service; none where an issuer of your own gives them.

    Raises: OSError, ValueError when the development key cannot be used.
    """
    if settings.has_issuer:
        return []

    def offer(index: int | None, permits: str, scopes: list[str]) -> OfferedToken:
        user_id = None if index is None else sample_id(index)
        label = "a service" if index is None else f"@{sample_user(index).handle}"
        signed = development_token(settings, user_id, scopes, TOKEN_DAYS)
        return OfferedToken(label, permits, signed)

    return [
        offer(0, "all a person may", PERSON_SCOPES),
        offer(1, "all a person may", PERSON_SCOPES),
        offer(6, "reads only", []),
        offer(2, "staff", [*PERSON_SCOPES, STAFF_SCOPE]),
        offer(None, "registers users", SERVICE_TOKEN_SCOPES),
    ]


def development_token(
    settings: Settings, user_id: str | None, scopes: list[str] | None, days: float
) -> str:
    """A token for a person, or for a service without one; by default with all that it may do.

    Raises: OSError, ValueError when the development key cannot be used.
    """
    default = PERSON_SCOPES if user_id else SERVICE_TOKEN_SCOPES
    return DevelopmentKey(settings.data_dir).token(
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        user_id=user_id,
        scopes=default if scopes is None else scopes,
        lifetime_seconds=int(days * 86_400),
    )
