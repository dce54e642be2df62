/** A typed client: fetch for queries and mutations, graphql-ws for subscriptions. */
import { createClient, type SubscribePayload } from "graphql-ws";
import type { TypedDocumentString } from "./gql/graphql.js";

const ACCEPT = "application/graphql-response+json, application/json;q=0.9";
const LONGEST_URL = 2000;
const TIMEOUT_MS = 15_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;
/** After these a mutation may have been carried out or not. */
const UNCERTAIN = new Set(["TIMEOUT", "UNAVAILABLE", "INTERNAL_SERVER_ERROR"]);

export interface Options {
  /** Where GraphQL is answered, as an absolute http or https address. */
  endpoint: string;
  /** Asked before every request and connection, so that a fresh token takes effect. */
  token?: () => string | undefined | Promise<string | undefined>;
  /** Sends the ids of `src/gql/persisted-documents.json` instead of documents. */
  trusted?: boolean;
}

/** One of `errors` in an answer; `code` is listed in docs/errors.md. */
export interface AnswerError {
  message: string;
  path?: readonly (string | number)[];
  extensions?: { code?: string; [name: string]: unknown };
}

/** An answer with `errors`; what came nevertheless is in `data`. */
export class OperationError extends Error {
  constructor(
    readonly errors: readonly AnswerError[],
    readonly data: unknown = null,
  ) {
    super(errors.map(({ message }) => message).join(" "));
  }

  get codes(): (string | undefined)[] {
    return this.errors.map(({ extensions }) => extensions?.code);
  }
}

/** What came is not GraphQL: a proxy's page, most often. */
export class TransportError extends Error {}

/** Whether a mutation that failed like this should be sent again, under the same idempotency key. */
export function isUncertain(error: unknown): boolean {
  if (error instanceof OperationError) return error.codes.some((code) => UNCERTAIN.has(code ?? ""));
  return true;
}

export class Client {
  readonly #options: Options;
  readonly #socket;

  constructor(options: Options) {
    this.#options = options;
    this.#socket = createClient({
      url: options.endpoint.replace(/^http/, "ws"),
      connectionParams: () => this.#headers(),
      retryAttempts: Infinity,
      // What is thrown by the network is an event; an Error is a mistake of ours.
      shouldRetry: (problem) => !(problem instanceof Error),
      retryWait: (retries) => sleep(Math.min(FIRST_RETRY_MS * 2 ** retries, LONGEST_RETRY_MS)),
      // graphql-ws insists on a `query`, which the server refuses next to an id.
      jsonMessageReplacer(this: object, name, value) {
        return name === "query" && "documentId" in this ? undefined : value;
      },
    });
  }

  /** The data of a query; by GET if that is short enough, so that it can be cached. */
  async query<Data, Variables>(
    document: TypedDocumentString<Data, Variables>,
    variables: Variables,
  ): Promise<Data> {
    const url = new URL(this.#options.endpoint);
    for (const [name, value] of Object.entries(this.#request(document, variables))) {
      url.searchParams.set(name, typeof value === "string" ? value : JSON.stringify(value));
    }
    return url.href.length > LONGEST_URL ? this.mutate(document, variables) : this.#fetch(url);
  }

  /** The data of a mutation. */
  async mutate<Data, Variables>(
    document: TypedDocumentString<Data, Variables>,
    variables: Variables,
  ): Promise<Data> {
    return this.#fetch(this.#options.endpoint, {
      method: "POST",
      body: JSON.stringify(this.#request(document, variables)),
      headers: { "content-type": "application/json" },
    });
  }

  /** The data of a subscription as they come; a lost connection is made again, for ever. */
  async *subscribe<Data, Variables extends Record<string, unknown>>(
    document: TypedDocumentString<Data, Variables>,
    variables: Variables,
  ): AsyncGenerator<Data> {
    const request: SubscribePayload = { query: "", ...this.#request(document, variables) };
    try {
      for await (const answer of this.#socket.iterate<Data>(request)) yield dataOf<Data>(answer);
    } catch (error) {
      // graphql-ws throws the errors of a refused operation as they are.
      throw Array.isArray(error) ? new OperationError(error) : error;
    }
  }

  #request<Data, Variables>(
    document: TypedDocumentString<Data, Variables>,
    variables: Variables,
  ) {
    return this.#options.trusted
      ? { documentId: document.__meta__?.["hash"], variables }
      : { query: document.toString(), variables };
  }

  async #headers(): Promise<Record<string, string>> {
    const token = await this.#options.token?.();
    return token ? { authorization: `Bearer ${token}` } : {};
  }

  async #fetch<Data>(url: string | URL, init: RequestInit = {}): Promise<Data> {
    const response = await fetch(url, {
      ...init,
      headers: { accept: ACCEPT, ...(await this.#headers()), ...init.headers },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const type = response.headers.get("content-type") ?? "";
    const speaksGraphQL = /^application\/(graphql-response\+)?json\b/.test(type);
    const answer: unknown = speaksGraphQL ? await response.json() : null;
    if (isAnswer(answer)) return dataOf<Data>(answer);
    throw new TransportError(`Expected GraphQL, got ${response.status} ${type}`);
  }
}

interface Answer {
  data?: unknown;
  errors?: readonly AnswerError[];
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === "object" && value !== null && ("data" in value || "errors" in value);
}

function dataOf<Data>({ data, errors }: Answer): Data {
  if (errors?.length) throw new OperationError(errors, data);
  return data as Data;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
