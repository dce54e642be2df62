"""Incidents: faults that clients do not see, logged under an id that they get instead."""

import logging
import secrets

logger = logging.getLogger(__name__)


def incident_of(fault: BaseException | None, field: str | None = None) -> str:
    """Logs a fault, with the name of the field it happened in; gives the id of the log line."""
    incident = secrets.token_hex(6)
    logger.error("incident", extra={"incident": incident, "field": field}, exc_info=fault)
    return incident
