// The plain page: choose an example, change it, run it, read the JSON.

const byId = (id) => document.getElementById(id);
const [question, example, query, variables, token, run, status, answer] = [
  "question", "example", "query", "variables", "token", "run", "status", "answer",
].map(byId);

const session = await (await fetch("/explorer/session.json")).json();
const endpoint = new URL(session.endpoint, location.href).href;
// A subscription needs a WebSocket, which this page leaves to GraphiQL.
const examples = session.examples.filter(({ query }) => !/^(\s|#.*\n)*subscription\b/.test(query));

byId("endpoint").textContent = endpoint;
token.value = session.token ?? "";
example.append(...examples.map(({ title }, index) => new Option(title, index)));
showExample();

example.addEventListener("change", showExample);
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
  const authorization = token.value.trim() && { Authorization: `Bearer ${token.value.trim()}` };
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
