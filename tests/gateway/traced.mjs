// Runs operations in @apollo/gateway over subgraphs, asking these for traces. Standard input is
// {subgraphs: [{name, url, sdl}], queries: [...]}, standard output what composition hints at and,
// for each query, the answer and the traces that the gateway could read: {hints, results}.
import { readFileSync } from "node:fs";

import { composeServices } from "@apollo/composition";
import { ApolloGateway } from "@apollo/gateway";
import protobuf from "@apollo/usage-reporting-protobuf";
import { parse } from "graphql";

const { subgraphs, queries } = JSON.parse(readFileSync(0, "utf8"));
const { errors, hints, schema, supergraphSdl } = composeServices(
  subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })),
);
if (errors?.length) throw new Error(errors.map(({ message }) => message).join("\n"));

const silent = () => {};
const logger = { debug: silent, info: silent, warn: console.error, error: console.error };
const gateway = new ApolloGateway({ supergraphSdl, logger });
const { executor } = await gateway.load();

function fetches(node) {
  if (!node) return [];
  if (node.fetch) return [node.fetch];
  const nodes = node.sequence?.nodes ?? node.parallel?.nodes ?? [node.flatten?.node];
  return nodes.flatMap(fetches);
}

const results = [];
for (const query of queries) {
  const metrics = { captureTraces: true };
  const { data, errors } = await executor({
    request: { query, variables: {} },
    document: parse(query),
    operationName: null,
    queryHash: query,
    source: query,
    context: {},
    metrics,
    logger,
    cache: new Map(),
    schema,
    overallCachePolicy: { restrict: silent },
  });
  const plan = metrics.queryPlanTrace;
  const traces = fetches(plan && protobuf.Trace.QueryPlanNode.toObject(plan)).map((fetch) => ({
    subgraph: fetch.serviceName,
    failed: fetch.traceParsingFailed,
    fields: fetch.trace?.root?.child?.map(({ responseName }) => responseName) ?? [],
  }));
  results.push({ data, errors, traces });
}
await gateway.stop();
console.log(JSON.stringify({ hints: hints.map(({ message }) => message), results }));
