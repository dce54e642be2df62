// Composes the subgraphs of two SDL files with two composers, one JSON line for each of these;
// succeeds only when both compose.
import { readFileSync } from "node:fs";

import { composeServices } from "@apollo/composition";
import { composeServices as composeServicesWithGuild } from "@theguild/federation-composition";
import { parse } from "graphql";

const composers = {
  "@apollo/composition": composeServices,
  "@theguild/federation-composition": composeServicesWithGuild,
};

const files = process.argv.slice(2);
if (files.length !== 2) {
  console.error(`expected the paths of two SDL files, got ${files.length}`);
  process.exit(2);
}
const subgraphs = files.map((file, index) => ({
  name: `subgraph${index}`,
  url: `http://subgraph${index}/graphql`,
  typeDefs: parse(readFileSync(file, "utf8")),
}));

for (const [name, compose] of Object.entries(composers)) {
  const { errors = [], hints = [], supergraphSdl } = compose(subgraphs);
  const ok = errors.length === 0 && Boolean(supergraphSdl);
  const messages = (list) => list.map(({ message }) => message);
  console.log(JSON.stringify({ name, ok, errors: messages(errors), hints: messages(hints) }));
  if (!ok) process.exitCode = 1;
}
