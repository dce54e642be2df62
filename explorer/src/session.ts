/** What the server names in `/explorer/session.json`: where to ask, as whom, and what. */

export interface Session {
  endpoint: string;
  tokens: OfferedToken[];
  examples: Example[];
}

/** A development token: for whom, and what it may do. */
export interface OfferedToken {
  label: string;
  permits: string;
  token: string;
}

export interface Example {
  title: string;
  query: string;
  variables: Record<string, unknown> | null;
}

export const session: Session = await (await fetch("/explorer/session.json")).json();
