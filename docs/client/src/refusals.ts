/** What a person is told when a mutation is refused: one sentence for each type of refusal. */
import type { RefusalFragment } from "./gql/graphql.js";
import { graphql } from "./gql/index.js";

export const Refusal = graphql(`
  fragment Refusal on UserError {
    __typename
    message
    path
    ... on ValidationError {
      rule
    }
    ... on ConflictError {
      currentRev
    }
    ... on HandleTakenError {
      suggestions
      availableAt
    }
    ... on TooSoonError {
      retryAfterSeconds
    }
    ... on NotAllowedError {
      reason
    }
  }
`);

/** A sentence that says what to do. */
export function advice(refusal: RefusalFragment): string {
  switch (refusal.__typename) {
    case "ValidationError":
      return `Correct ${refusal.path.join(".")}: ${refusal.message}`;
    case "ConflictError":
      return `Look again: it was changed meanwhile, to revision ${refusal.currentRev}.`;
    case "HandleTakenError":
      return `Choose another, for example ${refusal.suggestions.join(" or ")}.`;
    case "TooSoonError":
      return `Try again in ${Math.ceil(refusal.retryAfterSeconds / 86_400)} days.`;
    case "NotAllowedError":
      return refusal.reason === "SELF" ? "That is you." : refusal.message;
    case "NotFoundError":
    case "IdempotencyError":
      return refusal.message;
    default:
      return unknown(refusal);
  }
}

/** Does not compile while a type of the schema has no case; a newer server's has its own sentence. */
function unknown(refusal: never): string {
  return (refusal as { message: string }).message;
}
