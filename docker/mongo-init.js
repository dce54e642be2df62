// Makes replica set rs0 of three members once, then waits until it has a primary and two secondaries.
const members = ["mongo1", "mongo2", "mongo3"].map((name, index) => ({ _id: index, host: `${name}:27017` }));

function initiate() {
  try {
    rs.initiate({ _id: "rs0", members });
  } catch (error) {
    if (error.codeName !== "AlreadyInitialized") throw error;
  }
}

function states() {
  return rs.status().members.map((member) => member.stateStr).sort().join(" ");
}

initiate();
const deadline = Date.now() + 60_000;
while (states() !== "PRIMARY SECONDARY SECONDARY") {
  if (Date.now() > deadline) throw new Error(`rs0 wants a primary and two secondaries within 60 s, has: ${states()}`);
  sleep(500);
}
print(`rs0: ${states()}`);
