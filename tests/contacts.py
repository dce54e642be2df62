"""What tests do with contacts: as a client does, with the codes from the mailbox page."""

import re
from html import unescape
from typing import Any

from tests.subgraph import Subgraph

FIELDS = "id kind value masked verifiedAt primary pending"
ERRORS = """errors {
  __typename code message path
  ... on ValidationError { rule }
  ... on NotAllowedError { reason }
  ... on TooSoonError { retryAfterSeconds }
}"""
DRY_RUN = "dryRun { changes { field before after } events }"
RESULTS = {
    "addContact": f"contact {{ {FIELDS} }} isSent",
    "changeContact": f"contact {{ {FIELDS} }} isSent",
    "resendContactCode": f"contact {{ {FIELDS} }} isSent",
    "verifyContact": f"contact {{ {FIELDS} }}",
    "makeContactPrimary": f"contact {{ {FIELDS} }}",
    "removeContact": "",
}
"""The mutations, and what each gives besides the user."""

CONTACTS = f"query ($id: ID!) {{ user(by: {{id: $id}}) {{ contacts {{ {FIELDS} }} }} }}"
LOOKUP = """query ($kind: ContactKind!, $value: String!) {
  userByContact(kind: $kind, value: $value) { id }
}"""
EMAIL = "ada@example.com"


async def mutate(subgraph: Subgraph, viewer: str, name: str, **input: Any) -> Any:
    """The payload of a mutation of contacts."""
    type_ = f"{name[0].upper()}{name[1:]}Input"
    query = f"""mutation ($input: {type_}!) {{
      {name}(input: $input) {{ user {{ rev }} {RESULTS[name]} {ERRORS} {DRY_RUN} }}
    }}"""
    return (await subgraph.data(query, viewer, input=input))[name]


async def add(
    subgraph: Subgraph, viewer: str, value: str = EMAIL, kind: str = "EMAIL", **control: Any
) -> Any:
    """The payload of adding a contact."""
    return await mutate(subgraph, viewer, "addContact", kind=kind, value=value, control=control)


async def added(
    subgraph: Subgraph, viewer: str, value: str = EMAIL, kind: str = "EMAIL"
) -> tuple[str, str]:
    """The id of a new contact, and the code that was sent."""
    payload = await add(subgraph, viewer, value, kind)
    assert payload["errors"] == []
    return payload["contact"]["id"], await code_for(subgraph, payload["contact"]["value"])


async def verify(subgraph: Subgraph, viewer: str, contact: str, code: str, **control: Any) -> Any:
    """The payload of verifying a contact."""
    input = {"contactId": contact, "code": code, "control": control}
    return await mutate(subgraph, viewer, "verifyContact", **input)


async def verified(subgraph: Subgraph, viewer: str, value: str = EMAIL, kind: str = "EMAIL") -> str:
    """The id of a new contact that is verified."""
    contact, code = await added(subgraph, viewer, value, kind)
    assert (await verify(subgraph, viewer, contact, code))["errors"] == []
    return contact


async def contacts(subgraph: Subgraph, user_id: str) -> Any:
    """The contacts of a user, as the user sees them."""
    return (await subgraph.data(CONTACTS, user_id, id=user_id))["user"]["contacts"]


async def lookup(subgraph: Subgraph, value: str = EMAIL, kind: str = "EMAIL") -> str | None:
    """Whom an address leads to."""
    token = subgraph.token(None, ["users:contacts:lookup"])
    found = (await subgraph.data(LOOKUP, token=token, kind=kind, value=value))["userByContact"]
    return found and str(found["id"])


async def mailbox(subgraph: Subgraph) -> list[tuple[str, str]]:
    """To whom which messages went, newest first."""
    page = await subgraph.http.get("/mailbox", headers={"Host": "localhost"})
    assert page.status_code == 200
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", page.text)
    return [(unescape(to), unescape(said)) for to, said in rows]


async def code_for(subgraph: Subgraph, value: str = EMAIL) -> str:
    """The newest code that went to an address."""
    said = next(said for to, said in await mailbox(subgraph) if to == value)
    [code] = re.findall(r"\d{6}", said)
    return str(code)


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 10**6:06}"


def told(payload: Any) -> list[Any]:
    """The errors of a payload, without their sentences."""
    for error in payload["errors"]:
        del error["message"]
    return list(payload["errors"])
