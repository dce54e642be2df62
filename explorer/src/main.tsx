/** The page at `/`: GraphiQL, opened with the endpoint, tokens and examples the server names. */
import { explorerPlugin } from "@graphiql/plugin-explorer";
import "@graphiql/plugin-explorer/style.css";
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { createGraphiQLFetcher, type Fetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import { createClient } from "graphql-ws";
import { createRoot } from "react-dom/client";
import { withIdentity } from "./identity";
import { IdentitySwitcher } from "./IdentitySwitcher";
import "./main.css";
import { type Example, session } from "./session";
import { storage } from "./storage";
import { SystemTheme } from "./SystemTheme";

const FORBIDDEN = 4403;

interface Tab {
  query: string | null;
  variables: string | null;
}

const plugins = [HISTORY_PLUGIN, explorerPlugin()];
const fetcher = fetcherFor(session.endpoint);
const tabs = session.examples.map(tabFor);
const openTab = storedTab() ?? tabs[0];

createRoot(document.getElementById("explorer")!).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={plugins}
    defaultTabs={tabs.length ? tabs : undefined}
    // GraphiQL would otherwise open a tab without its variables.
    initialQuery={openTab?.query ?? undefined}
    initialVariables={openTab?.variables ?? ""}
    storage={storage}
    showPersistHeadersSettings={false}
  >
    <GraphiQL.Logo>
      <SystemTheme />
      <IdentitySwitcher />
    </GraphiQL.Logo>
  </GraphiQL>,
);

/** Asks as the chosen identity: over HTTP, and over a WebSocket of its own for each subscription. */
function fetcherFor(endpoint: string): Fetcher {
  return (params, options) => {
    // Everybody may read the schema, also with a token that has expired.
    const isOfSchema = params.operationName === "IntrospectionQuery";
    const headers = isOfSchema ? options?.headers : withIdentity(options?.headers);
    const wsClient = subscriptionClient(endpoint, headers);
    return createGraphiQLFetcher({ url: endpoint, wsClient })(params, { ...options, headers });
  };
}

/** Connects when it subscribes, and again when the connection is lost. */
function subscriptionClient(endpoint: string, connectionParams?: Record<string, string>) {
  const url = new URL(endpoint, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return createClient({
    url: url.href,
    connectionParams,
    // A token that was refused is refused again: say so at once.
    shouldRetry: (lost) => lost instanceof CloseEvent && lost.code !== FORBIDDEN,
  });
}

/** Carries the title as a comment, because GraphiQL names a tab after its operation. */
function tabFor({ title, query, variables }: Example): Tab {
  return {
    query: `# ${title}\n${query}`,
    variables: variables && JSON.stringify(variables, null, 2),
  };
}

/** The tab that was open before a reload, as GraphiQL stored it. */
function storedTab(): Tab | undefined {
  const state = JSON.parse(sessionStorage.getItem("graphiql:tabState") ?? "null");
  return state?.tabs[state.activeTabIndex];
}
