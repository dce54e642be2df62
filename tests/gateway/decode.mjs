// Decodes traces (base64, one a line on standard input) as Apollo does; one JSON line for each.
import { createInterface } from "node:readline";

import protobuf from "@apollo/usage-reporting-protobuf";

for await (const line of createInterface({ input: process.stdin })) {
  const trace = protobuf.Trace.decode(Buffer.from(line, "base64"));
  console.log(JSON.stringify(protobuf.Trace.toObject(trace, { longs: Number })));
}
