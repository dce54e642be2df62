/** Who the page asks as, in every tab; kept for as long as the window is open. */
import { useSyncExternalStore } from "react";
import { session } from "./session";

export const NOBODY = "nobody";
export const PASTED = "pasted";

/** `who` is the label of an offered token, or one of the two above. */
export interface Identity {
  who: string;
  pastedToken: string;
}

// The plain page uses the same keys. An offered token is found by its label, because a server that
// starts again may sign with another key.
const WHO_KEY = "usergraph:who";
const PASTED_KEY = "usergraph:pasted-token";

const listeners = new Set<() => void>();
let identity = storedIdentity();

export function useIdentity() {
  return useSyncExternalStore(subscribe, () => identity);
}

/** The next request and the next subscription ask as this one. */
export function choose(change: Partial<Identity>) {
  identity = { ...identity, ...change };
  sessionStorage.setItem(WHO_KEY, identity.who);
  sessionStorage.setItem(PASTED_KEY, identity.pastedToken);
  listeners.forEach((listener) => listener());
}

/** The headers of a tab with the identity added; an Authorization header of the tab's own wins. */
export function withIdentity(headers: Record<string, string> = {}): Record<string, string> {
  const token = currentToken();
  if (!token || namesAuthorization(headers)) return headers;
  return { ...headers, Authorization: `Bearer ${token}` };
}

export function namesAuthorization(headers: object) {
  return Object.keys(headers).some((name) => name.toLowerCase() === "authorization");
}

function currentToken() {
  if (identity.who === PASTED) return identity.pastedToken.trim().replace(/^bearer\s+/i, "");
  return session.tokens.find(({ label }) => label === identity.who)?.token;
}

function storedIdentity(): Identity {
  const known = [NOBODY, PASTED, ...session.tokens.map(({ label }) => label)];
  const stored = sessionStorage.getItem(WHO_KEY);
  return {
    who: stored && known.includes(stored) ? stored : (session.tokens[0]?.label ?? NOBODY),
    pastedToken: sessionStorage.getItem(PASTED_KEY) ?? "",
  };
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
