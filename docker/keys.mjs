// Makes the keys and secrets of this stack, and prints tokens signed with one of them; needs Node alone.
// Usage: node docker/keys.mjs make      -> private.json, jwks.json, router_secret, key_encryption_keys and ledger_key in docker/keys
//        node docker/keys.mjs token SUBJECT ["scope another:scope"]
import { createPrivateKey, generateKeyPairSync, randomBytes, randomUUID, sign } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const FOLDER = new URL("keys/", import.meta.url);
const LIFETIME_SECONDS = 3600;
const { TOKEN_ISSUER = "http://issuer.localhost", TOKEN_AUDIENCE = "usergraph" } = process.env;

const [command, subject, scope = ""] = process.argv.slice(2);
if (command === "make") make();
else if (command === "token" && subject) console.log(token());
else {
  console.error('expected: make | token SUBJECT ["scope ..."]');
  process.exit(2);
}

// What is there stays: a key in use is never overwritten.
function make() {
  // The containers' users have to read four of the files; on this machine the folder is its owner's.
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  // The router takes the file as it is: a newline would be part of the secret.
  if (!has("router_secret")) write("router_secret", randomBytes(32).toString("base64url"), 0o644);
  const key = randomBytes(32).toString("base64");
  if (!has("key_encryption_keys")) write("key_encryption_keys", `first:${key}`, 0o644);
  if (!has("ledger_key")) write("ledger_key", randomBytes(32).toString("base64url"), 0o644);
  if (!has("private.json")) makeKey();
}

function makeKey() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const names = { kid: randomUUID(), alg: "ES256", use: "sig" };
  write("private.json", json({ ...privateKey.export({ format: "jwk" }), ...names }), 0o600);
  write("jwks.json", json({ keys: [{ ...publicKey.export({ format: "jwk" }), ...names }] }), 0o644);
}

function has(name) {
  return existsSync(new URL(name, FOLDER));
}

function json(content) {
  return `${JSON.stringify(content, null, 2)}\n`;
}

function write(name, content, mode) {
  const file = new URL(name, FOLDER);
  writeFileSync(file, content, { flag: "wx", mode: 0o600 });
  chmodSync(file, mode); // whatever the umask says
}

function token() {
  const jwk = JSON.parse(readFileSync(new URL("private.json", FOLDER), "utf8"));
  const issued = Math.floor(Date.now() / 1000);
  const claims = {
    iss: TOKEN_ISSUER,
    aud: TOKEN_AUDIENCE,
    sub: subject,
    client_id: "docker-compose",
    iat: issued,
    exp: issued + LIFETIME_SECONDS,
    ...(scope && { scope }),
  };
  const signed = [{ alg: "ES256", typ: "at+jwt", kid: jwk.kid }, claims].map(base64url).join(".");
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}

function base64url(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
