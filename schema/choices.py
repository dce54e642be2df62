"""Choices: what of a profile is shown to whom, and why a field is null."""

import strawberry

from schema.enums import ProfileField, RedactionReason, Visibility


@strawberry.type(description="Who sees a part of a profile.")
class FieldVisibility:
    """Who sees a part of a profile."""

    field: ProfileField = strawberry.field(description="The part.")
    visibility: Visibility = strawberry.field(description="Who sees it now.")
    default: Visibility = strawberry.field(description="Who would if nothing were chosen.")
    loosest: Visibility = strawberry.field(description="Who may see it at most, at the user's age.")


@strawberry.type(description="A field of a user that is null for the viewer because of a rule.")
class Redaction:
    """A field of a user that is null for the viewer because of a rule."""

    field: str = strawberry.field(description="The name of the field on User.")
    reason: RedactionReason = strawberry.field(
        description="The rule, which holds whether or not the field has a value."
    )
    fixable: bool = strawberry.field(
        description="Whether the viewer can change it: by following the user, or another token."
    )
