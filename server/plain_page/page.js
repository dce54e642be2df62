// The plain page: choose an example, change it, run it, read the JSON.

const byId = (id) => document.getElementById(id);
const [question, example, query, variables, who, token, run, status, answer] = [
  "question", "example", "query", "variables", "who", "token", "run", "status", "answer",
].map(byId);

const session = await (await fetch("/explorer/session.json")).json();
const endpoint = new URL(session.endpoint, location.href).href;
// A subscription needs a WebSocket, which this page leaves to GraphiQL.
const examples = session.examples.filter(({ query }) => !/^(\s|#.*\n)*subscription\b/.test(query));

byId("endpoint").textContent = endpoint;
byId("subscription-endpoint").textContent = endpoint.replace(/^http/, "ws");
example.append(...examples.map(({ title }, index) => new Option(title, index)));
showExample();
offerTokens();

example.addEventListener("change", showExample);
who.addEventListener("change", keepIdentity);
token.addEventListener("input", keepIdentity);
question.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    question.requestSubmit(run);
  }
});

function showExample() {
  const chosen = examples[example.selectedIndex];
  query.value = chosen?.query.trim() ?? "{ __typename }";
  variables.value = chosen?.variables ? pretty(chosen.variables) : "";
}

// The keys and values are GraphiQL's: who asks is kept while the window is open, on either page.
function offerTokens() {
  const offered = session.tokens.map(({ label, permits }) => new Option(`${label} (${permits})`, label));
  who.options[0].after(...offered);
  who.value = sessionStorage.getItem("usergraph:who");
  if (who.selectedIndex < 0) who.value = session.tokens[0]?.label ?? "nobody";
  token.value = sessionStorage.getItem("usergraph:pasted-token") ?? "";
  token.hidden = who.value !== "pasted";
}

function keepIdentity() {
  sessionStorage.setItem("usergraph:who", who.value);
  sessionStorage.setItem("usergraph:pasted-token", token.value);
  token.hidden = who.value !== "pasted";
}

function currentToken() {
  if (who.value === "pasted") return token.value.trim().replace(/^bearer\s+/i, "");
  return session.tokens.find(({ label }) => label === who.value)?.token;
}

async function ask() {
  run.disabled = true;
  try {
    const startedAt = performance.now();
    const response = await fetch(endpoint, { method: "POST", headers: headers(), body: body() });
    const text = await response.text();
    answer.textContent = prettyText(text);
    status.textContent = `HTTP ${response.status}, ${Math.round(performance.now() - startedAt)} ms`;
  } catch (error) {
    answer.textContent = "";
    status.textContent = error.message;
  } finally {
    run.disabled = false;
  }
}

function headers() {
  const token = currentToken();
  const authorization = token && { Authorization: `Bearer ${token}` };
  return { "Content-Type": "application/json", Accept: "application/json", ...authorization };
}

function body() {
  return JSON.stringify({ query: query.value, variables: parsedVariables() });
}

function parsedVariables() {
  try {
    return JSON.parse(variables.value.trim() || "null");
  } catch (error) {
    throw new Error(`The variables are expected to be a JSON object: ${error.message}`);
  }
}

function pretty(value) {
  return JSON.stringify(value, null, 2);
}

function prettyText(text) {
  try {
    return pretty(JSON.parse(text));
  } catch {
    return text;
  }
}
