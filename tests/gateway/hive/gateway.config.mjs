// The configuration of the Hive gateway under test; ends with its standard input.
import { defineConfig, MemPubSub } from "@graphql-hive/gateway";

export const gatewayConfig = defineConfig({
  transportEntries: {
    users: {
      // What `propagateHeaders` adds is missing when a text follows an unknown hash.
      headers: [["authorization", "{context.headers.authorization}"]],
      options: JSON.parse(process.env.USERS_TRANSPORT),
    },
  },
  pubsub: new MemPubSub(),
  webhooks: true,
});

process.stdin.resume().on("end", () => process.exit());
