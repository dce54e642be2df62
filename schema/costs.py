"""Costs: what each field is worth, and how large each list is, for whoever limits operations.

One unit is about what it costs to give one user. The `router` profile shows the same figures, as
`@cost` and `@listSize`.

Source: IBM's cost directive specification; Apollo Federation 2.9.
"""

from collections.abc import Mapping

from guard import ListSize

WEIGHTS: Mapping[str, float] = {
    "Query.viewer": 3,
    "Query.user": 2,
    "Query.users": 2,
    "Query._entities": 2,
    "Query._service": 5,
    "Query.__schema": 700,
    "Query.__type": 50,
    "Query.searchUsers": 40,
    "Query.handleAvailability": 40,
    "Query.userByContact": 40,
    "User.followers": 4,
    "User.following": 4,
    "User.viewerRelation": 4,
    "UserPrivate.history": 20,
    "User.contacts": 4,
    "User.mergedInto": 4,
    "Viewer.blockedUsers": 20,
    "Viewer.preferences": 4,
    "Mutation.registerUser": 150,
    "Mutation.updateProfile": 100,
    "Mutation.changeHandle": 150,
    "Mutation.undoLastChange": 150,
    "Mutation.deactivateAccount": 100,
    "Mutation.reactivateAccount": 100,
    "Mutation.scheduleErasure": 100,
    "Mutation.cancelErasure": 100,
    "Mutation.confirmUser": 100,
    "Mutation.suspendUser": 120,
    "Mutation.liftSuspension": 120,
    "Mutation.mergeUsers": 1500,
    "Mutation.follow": 200,
    "Mutation.unfollow": 200,
    "Mutation.block": 200,
    "Mutation.unblock": 100,
    "Mutation.recordConsent": 200,
    "Mutation.recordConsentFor": 200,
    "Mutation.setPreferences": 100,
    "Mutation.addContact": 200,
    "Mutation.verifyContact": 200,
    "Mutation.resendContactCode": 200,
    "Mutation.changeContact": 200,
    "Mutation.removeContact": 150,
    "Mutation.makeContactPrimary": 100,
    "User.tier": 2,
    "User.entitlements": 3,
    "Viewer.subscription": 4,
    "Viewer.entitlements": 4,
    "Viewer.household": 8,
    "Mutation.recordBillingEvent": 100,
    "Mutation.grantPromotion": 100,
    "Mutation.inviteToHousehold": 200,
    "Mutation.acceptHouseholdInvitation": 250,
    "Mutation.leaveHousehold": 200,
    "Mutation.removeFromHousehold": 250,
    "UserPrivate.birthDate": 20,
    "Query.owedErasures": 20,
    "Mutation.acknowledgeErasure": 200,
    "Mutation.setVisibility": 100,
    "Mutation.setBirthDate": 150,
    "Subscription.profileChanged": 50,
    "Entitlement": 0.3,
    "UserConnection": 0.5,
    "UserEdge": 0.3,
    "PageInfo": 0.2,
    "Image": 0.5,
    "ProfileLink": 0.3,
    "Consent": 0.5,
    "PolicyVersion": 0.2,
    "ConsentReceipt": 0.2,
    "FieldVisibility": 0.3,
    "Redaction": 0.2,
}
"""What a field costs by itself, besides the objects that it gives: its commands, mostly.

An object costs 1, unless its type stands here too.
"""

_PAGE = ListSize(20, ("first",), ("edges",))

LIST_SIZES: Mapping[str, ListSize] = {
    "Query.users": ListSize(100, ("ids",)),
    "Query._entities": ListSize(1000, ("representations",)),
    "Query.searchUsers": _PAGE,
    "User.followers": _PAGE,
    "User.following": _PAGE,
    "Viewer.blockedUsers": _PAGE,
    "UserPrivate.history": _PAGE,
    "PastChange.changes": ListSize(3),
    "User.links": ListSize(3),
    "User.contacts": ListSize(3),
    "Query.owedErasures": _PAGE,
    "Erasure.owing": ListSize(3),
    "Erasure.receipts": ListSize(3),
    "User.redactions": ListSize(10),
    "UserPrivate.visibility": ListSize(8),
    "UserPrivate.formerHandles": ListSize(3),
    "User.consents": ListSize(10, ("purposes",)),
    "Viewer.consents": ListSize(10),
    "Viewer.preferences": ListSize(10, ("namespaces",)),
    "Viewer.scopes": ListSize(10),
    "User.entitlements": ListSize(5),
    "Viewer.entitlements": ListSize(5),
    "Household.members": ListSize(6),
    "Household.invitations": ListSize(10),
    "HandleAvailability.suggestions": ListSize(3),
    "HandleTakenError.suggestions": ListSize(3),
    "ProfileChange.fields": ListSize(5),
    "DryRun.changes": ListSize(5),
    "DryRun.events": ListSize(3),
}
"""How many items a list has; any other list has about one."""
