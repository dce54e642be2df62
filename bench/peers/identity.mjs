/** Who asks, from a bearer token: verified once, remembered until it expires. */
import { readFileSync } from 'node:fs';
import { GraphQLError } from 'graphql';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { settings } from './settings.mjs';

const REMEMBERED = 1000;

const keys = createLocalJWKSet(JSON.parse(readFileSync(settings.jwks, 'utf8')));
const expected = { issuer: settings.issuer, audience: settings.audience, typ: 'at+jwt' };
const known = new Map();

/** The viewer of an Authorization header; null without one. Throws when the token is not valid. */
export async function viewerOf(authorization) {
  if (!authorization) return null;
  const token = authorization.slice('Bearer '.length);
  const remembered = known.get(token);
  if (remembered && remembered.expiresAt > Date.now() / 1000) return remembered;
  const viewer = await verified(token);
  if (known.size >= REMEMBERED) known.delete(known.keys().next().value);
  known.set(token, viewer);
  return viewer;
}

/** The id of the person who asks. Throws when nobody does, or without the scope. */
export function requireUser(viewer, scope) {
  if (!viewer) throw refused('Sign in.', 'UNAUTHENTICATED', 401);
  if (!viewer.scopes.has(scope)) throw refused(`The token lacks ${scope}.`, 'FORBIDDEN', 403);
  return viewer.id;
}

async function verified(token) {
  try {
    const { payload } = await jwtVerify(token, keys, expected);
    const scopes = new Set((payload.scope ?? '').split(' '));
    return { id: payload.sub, scopes, expiresAt: payload.exp };
  } catch {
    throw refused('The token is not valid.', 'UNAUTHENTICATED', 401);
  }
}

function refused(message, code, status) {
  return new GraphQLError(message, { extensions: { code, http: { status } } });
}
