"""The floor: a handler written by hand for each operation, without a GraphQL engine."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from bench.peers.documents import Document, Documents, open_documents
from bench.peers.identity import PeerIdentity, PeerViewer
from bench.peers.profiles import NotDone, update_profile
from bench.peers.serving import serve
from bench.peers.settings import peer_settings

LITERAL_IDS = re.compile(r'"(\w+)"')
NEVER_SEEN = re.compile(r'(\w+): user\(by: \{id: "(\w+)"\}\) \{ ((?:[^{}]|\{[^{}]*\})*)\}')
NEVER_SEEN_FIELD = re.compile(r"(\w+): (\w+)\b(?!\))")

PROFILE_FIELDS = {
    "displayName": "displayName",
    "bio": "bio",
    "pronouns": "pronouns",
    "profileColor": "color",
}


class Handlers:
    """A handler for each operation name."""

    def __init__(
        self, documents: Documents, viewer_of: Callable[[str | None], PeerViewer | None]
    ) -> None:
        self._documents = documents
        self._viewer_of = viewer_of
        self.by_name: Mapping[str, Callable[..., Awaitable[Any]]] = {
            "Entities": self._entities,
            "Small": self._small,
            "Lists": self._lists,
            "Aliases": self._aliases,
            "Literals": self._literals,
            "NeverSeen": self._never_seen,
            "Update": self._update,
        }

    async def _entities(self, variables: Document, **_: Any) -> Any:
        ids = [representation["id"] for representation in variables["r"]]
        found = await self._documents.by_ids(ids)
        return {"_entities": [_whole(found[key]) if key in found else None for key in ids]}

    async def _small(self, variables: Document, **_: Any) -> Any:
        found = await self._documents.by_ids([variables["id"]])
        return {"user": _brief(found.get(variables["id"]))}

    async def _lists(self, variables: Document, **_: Any) -> Any:
        ids = variables["ids"]
        users = await self._documents.by_ids(ids)
        pages = await self._documents.first_pages(ids, 11)
        needed = {follower for page in pages.values() for follower in page[:10]}
        followers = await self._documents.by_ids(list(needed))

        def user(key: str) -> Any:
            page = pages.get(key, [])
            nodes = [followers[follower] for follower in page[:10] if follower in followers]
            return {
                "id": key,
                "followers": {
                    "edges": [{"node": _listed(node)} for node in nodes],
                    "pageInfo": {"hasNextPage": len(page) > 10},
                }
                if _is_active(users[key])
                else None,
            }

        return {"users": [user(key) if key in users else None for key in ids]}

    async def _aliases(self, variables: Document, **_: Any) -> Any:
        found = await self._documents.by_ids(list(variables.values()))
        return {name: _brief(found.get(key)) for name, key in variables.items()}

    async def _literals(self, query: str, **_: Any) -> Any:
        ids = LITERAL_IDS.findall(query)
        found = await self._documents.by_ids(ids)
        return {"users": [_brief(found.get(key)) for key in ids]}

    async def _never_seen(self, query: str, **_: Any) -> Any:
        asked = NEVER_SEEN.findall(query)
        found = await self._documents.by_ids([key for _, key, _ in asked])

        def user(key: str, fields: str) -> Any:
            if key not in found:
                return None
            whole = _whole(found[key])
            return {name: whole[field] for name, field in NEVER_SEEN_FIELD.findall(fields)}

        return {alias: user(key, fields) for alias, key, fields in asked}

    async def _update(self, variables: Document, authorization: str, **_: Any) -> Any:
        viewer = self._viewer_of(authorization)
        assert viewer is not None
        user_id = viewer.require("me:profile:write")
        done = await update_profile(self._documents, user_id, variables["input"])
        if isinstance(done, NotDone):
            return {"updateProfile": {"user": None, "errors": [vars(done)]}}
        profile = done["profile"]
        user = {"id": user_id, "displayName": profile.get("displayName"), "bio": profile.get("bio")}
        return {"updateProfile": {"user": user, "errors": []}}


def application() -> Callable[..., Awaitable[None]]:
    """The ASGI application."""
    settings = peer_settings()
    identity = PeerIdentity(settings)
    handlers: list[Handlers] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not handlers:
            handlers.append(Handlers(open_documents(settings), identity.viewer))
        body = b""
        message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        request = orjson.loads(body)
        authorization = dict(scope["headers"]).get(b"authorization", b"").decode()
        data = await handlers[0].by_name[request["operationName"]](
            query=request["query"],
            variables=request.get("variables", {}),
            authorization=authorization,
        )
        answer = orjson.dumps({"data": data})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def _whole(document: Document) -> Document:
    """Every field that `_entities` asks for, and those of operations that were never seen."""
    user = {
        "__typename": "User",
        "id": document["_id"],
        "status": document["status"]["value"],
        "rev": document["rev"],
    }
    if not _is_active(document):
        names = "handle displayName bio pronouns links profileColor joinedYear followerCount avatar"
        return {**user, **dict.fromkeys(names.split())}
    profile = document["profile"]
    return {
        **user,
        "handle": document.get("handle"),
        **{name: profile.get(stored) for name, stored in PROFILE_FIELDS.items()},
        "links": [
            {"url": link["url"], "label": link.get("label")} for link in profile.get("links", ())
        ],
        "joinedYear": document["createdAt"].year,
        "followerCount": document["counts"].get("followers", 0),
        "avatar": _avatar(document, 640),
    }


def _brief(document: Document | None) -> Document | None:
    if document is None:
        return None
    profile = document["profile"] if _is_active(document) else {}
    return {
        "id": document["_id"],
        "handle": document.get("handle") if profile else None,
        "displayName": profile.get("displayName"),
        "bio": profile.get("bio"),
    }


def _listed(document: Document) -> Document:
    if not _is_active(document):
        return {"id": document["_id"], "handle": None, "displayName": None, "avatar": None}
    return {
        "id": document["_id"],
        "handle": document.get("handle"),
        "displayName": document["profile"].get("displayName"),
        "avatar": _avatar(document, 300),
    }


def _is_active(document: Document) -> bool:
    return bool(document["status"]["value"] == "ACTIVE")


def _avatar(document: Document, least_width: int) -> Document | None:
    images = sorted(document["profile"].get("avatar", ()), key=lambda image: image["width"])
    best: Document | None = next(
        (image for image in images if image["width"] >= least_width), images[-1] if images else None
    )
    return best


if __name__ == "__main__":
    serve(application())
