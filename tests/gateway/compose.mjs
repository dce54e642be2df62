// Composes subgraphs with three composers, one JSON line for each of these; succeeds only when all
// compose. Arguments: NAME=ADDRESS=SDL_FILE for each subgraph, and the file for the supergraph
// that @apollo/composition makes.
import { readFileSync, writeFileSync } from "node:fs";

import { composeServices } from "@apollo/composition";
import { composeServices as composeServicesWithGuild } from "@theguild/federation-composition";
import { federateSubgraphs, LATEST_ROUTER_COMPATIBILITY_VERSION } from "@wundergraph/composition";
import { parse } from "graphql";

const composers = {
  "@apollo/composition": composeServices,
  "@theguild/federation-composition": composeServicesWithGuild,
  "@wundergraph/composition": composeWithCosmo,
};

const sources = process.argv.slice(2, -1).map((argument) => argument.split("="));
const supergraphFile = process.argv.at(-1);
if (sources.length < 2 || sources.some((source) => source.length !== 3)) {
  console.error("expected NAME=ADDRESS=SDL_FILE twice or more, then a file for the supergraph");
  process.exit(2);
}
const subgraphs = sources.map(([name, url, file]) => ({
  name,
  url,
  typeDefs: parse(readFileSync(file, "utf8")),
}));

for (const [name, compose] of Object.entries(composers)) {
  const { errors = [], hints = [], supergraphSdl } = compose(subgraphs);
  const ok = errors.length === 0 && Boolean(supergraphSdl);
  const messages = (list) => list.map(({ message }) => message);
  console.log(JSON.stringify({ name, ok, errors: messages(errors), hints: messages(hints) }));
  if (!ok) process.exitCode = 1;
  if (ok && compose === composeServices) writeFileSync(supergraphFile, supergraphSdl);
}

// Cosmo has an execution configuration where the others have a supergraph.
function composeWithCosmo(subgraphs) {
  const result = federateSubgraphs({
    subgraphs: subgraphs.map(({ name, url, typeDefs }) => ({ name, url, definitions: typeDefs })),
    version: LATEST_ROUTER_COMPATIBILITY_VERSION,
  });
  return {
    errors: result.success ? [] : result.errors,
    hints: result.warnings,
    supergraphSdl: result.success && result.federatedGraphAST,
  };
}
