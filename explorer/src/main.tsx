/** The page at `/`: GraphiQL, opened with the endpoint, token and examples the server names. */
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import { createRoot } from "react-dom/client";
import "./main.css";

/** What `/explorer/session.json` holds. */
interface Session {
  endpoint: string;
  token: string | null;
  examples: Example[];
}

interface Example {
  title: string;
  query: string;
  variables: Record<string, unknown> | null;
}

interface Tab {
  query: string | null;
  variables: string | null;
}

const session: Session = await (await fetch("/explorer/session.json")).json();
const tabs = session.examples.map(tabFor);
const openTab = storedTab() ?? tabs[0];

createRoot(document.getElementById("explorer")!).render(
  <GraphiQL
    fetcher={fetcherFor(session.endpoint)}
    defaultTabs={tabs.length ? tabs : undefined}
    defaultHeaders={headersFor(session.token)}
    // GraphiQL would otherwise open a tab without its variables.
    initialQuery={openTab?.query ?? undefined}
    initialVariables={openTab?.variables ?? ""}
    // Edits survive a reload; a new window starts with the examples, and no token stays on disk.
    storage={sessionStorage}
    showPersistHeadersSettings={false}
  />,
);

/** Sends the headers of the tab with a request, and as `connection_init` payload with a subscription. */
function fetcherFor(endpoint: string) {
  const subscriptionUrl = new URL(endpoint, location.href);
  subscriptionUrl.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return createGraphiQLFetcher({ url: endpoint, subscriptionUrl: subscriptionUrl.href });
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

function headersFor(token: string | null) {
  return token ? JSON.stringify({ Authorization: `Bearer ${token}` }, null, 2) : undefined;
}
