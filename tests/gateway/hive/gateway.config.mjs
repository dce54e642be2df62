// The configuration of the Hive gateway under test; ends with its standard input.
import { defineConfig, MemPubSub } from "@graphql-hive/gateway";

export const gatewayConfig = defineConfig({
  propagateHeaders: {
    fromClientToSubgraphs: ({ request }) => ({
      authorization: request.headers.get("authorization") ?? undefined,
    }),
  },
  transportEntries: { users: { options: JSON.parse(process.env.USERS_TRANSPORT) } },
  pubsub: new MemPubSub(),
  webhooks: true,
});

process.stdin.resume().on("end", () => process.exit());
