/** What the bench tells a peer, as JSON in one environment variable, and how a peer says that it serves. */
export const settings = JSON.parse(process.env.BENCH_PEER);

/** Tells the bench where this peer answers. */
export function announce(port) {
  console.log(`This peer answers at http://127.0.0.1:${port}/graphql`);
}
