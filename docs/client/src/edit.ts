/** Mutations of the viewer's own account: done once, or refused with advice. */
import { type Client, isUncertain } from "./client.js";
import type { ChangeHandleInput, MutationControl, UpdateProfileInput } from "./gql/graphql.js";
import { type FragmentType, graphql, unmask } from "./gql/index.js";
import { advice, Refusal } from "./refusals.js";

const UpdateProfile = graphql(`
  mutation UpdateProfile($input: UpdateProfileInput!) {
    updateProfile(input: $input) {
      user {
        rev
      }
      errors {
        ...Refusal
      }
    }
  }
`);

const ChangeHandle = graphql(`
  mutation ChangeHandle($input: ChangeHandleInput!) {
    changeHandle(input: $input) {
      user {
        rev
      }
      errors {
        ...Refusal
      }
    }
  }
`);

/** The account's revision afterwards, or what to tell the person. */
export type Outcome = { rev: number | null } | { advice: string[] };

export async function updateProfile(client: Client, input: UpdateProfileInput): Promise<Outcome> {
  return once(async (control) => {
    const data = await client.mutate(UpdateProfile, { input: { ...input, control } });
    return outcome(data.updateProfile);
  });
}

/** Changes the handle, or with `dryRun` only tells whether that would be refused. */
export async function changeHandle(
  client: Client,
  input: ChangeHandleInput,
  dryRun = false,
): Promise<Outcome> {
  return once(async (control) => {
    const tried = { ...input, control: { ...control, dryRun } };
    const data = await client.mutate(ChangeHandle, { input: tried });
    return outcome(data.changeHandle);
  });
}

/** Sends it again when no answer came; the key makes that happen once. */
async function once(send: (control: MutationControl) => Promise<Outcome>): Promise<Outcome> {
  const control = { idempotencyKey: crypto.randomUUID() };
  try {
    return await send(control);
  } catch (error) {
    if (!isUncertain(error)) throw error;
    return send(control);
  }
}

interface Payload {
  user: { rev: number | null } | null;
  errors: Parameters<typeof refusals>[0];
}

function outcome(payload: Payload | null): Outcome {
  if (payload === null) throw new TypeError("Expected a payload or errors, got neither.");
  const refused = refusals(payload.errors);
  return refused.length ? { advice: refused } : { rev: payload.user?.rev ?? null };
}

function refusals(errors: readonly FragmentType<typeof Refusal>[]): string[] {
  return unmask(Refusal, errors).map(advice);
}
