// Composes the subgraphs named in a rover-style supergraph.yaml into one supergraph file, without an account.
// Usage: node compose.mjs [supergraph.yaml] [supergraph.graphql]
import { readFile, rename, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { composeServices } from "@apollo/composition";
import { parse as parseGraphQL } from "graphql";
import { parse as parseYaml } from "yaml";

const TIMEOUT_MILLISECONDS = 10_000;
const [configPath = "supergraph.yaml", outputPath = "supergraph.graphql"] = process.argv.slice(2);

const { subgraphs } = parseYaml(await readFile(configPath, "utf8"));
const services = await Promise.all(Object.entries(subgraphs).map(service));
const { errors, supergraphSdl } = composeServices(services);
if (errors?.length) {
  for (const error of errors) console.error(`${error.extensions?.code ?? "ERROR"}: ${error.message}`);
  process.exit(1);
}
// Written aside and renamed: a router that watches the file never reads half of it.
await writeFile(`${outputPath}.new`, supergraphSdl);
await rename(`${outputPath}.new`, outputPath);
console.log(`${outputPath}: ${services.map(({ name }) => name).join(", ")}`);

async function service([name, { routing_url: url, schema }]) {
  const sdl = schema.file ? await sdlOfFile(schema.file) : await sdlOfSubgraph(schema);
  return { name, url, typeDefs: parseGraphQL(sdl) };
}

function sdlOfFile(path) {
  return readFile(resolve(dirname(configPath), path), "utf8");
}

async function sdlOfSubgraph({ subgraph_url: url, introspection_headers: given = {} }) {
  const headers = { "content-type": "application/json" };
  for (const [name, value] of Object.entries(given)) headers[name] = await expanded(value);
  const response = await fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify({ query: "{ _service { sdl } }" }),
    signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
  });
  const text = await response.text();
  const sdl = response.ok ? JSON.parse(text).data?._service?.sdl : undefined;
  if (!sdl) throw new Error(`${url} should answer _service { sdl }, answered ${response.status}: ${text.slice(0, 300)}`);
  return sdl;
}

// As rover and the router do: ${file.PATH} is the content of the file.
async function expanded(value) {
  const [, path] = value.match(/^\$\{file\.(.+)\}$/) ?? [];
  return path ? await readFile(path, "utf8") : value;
}
