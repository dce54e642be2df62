/** Changing a profile: one guarded write that carries its event, decided anew when others were faster. */
import { randomBytes } from 'node:crypto';

const ATTEMPTS = 20;
const ARCHIVE_EVERY = 16;
const KEPT_FOR_MS = 30 * 86_400_000;
const LONGEST = { displayName: 50, bio: 300 };
const STORED_NAMES = { displayName: 'display_name', bio: 'bio' };

/** The document after setting the fields of the input: { document, errors }. */
export async function updateProfile(documents, id, input) {
  const wished = {};
  for (const [name, value] of Object.entries(input)) {
    wished[name] = value?.normalize('NFC').trim() || null;
    if (wished[name] && [...wished[name]].length > LONGEST[name]) {
      const message = `Expected at most ${LONGEST[name]} characters.`;
      return { errors: [{ __typename: 'ValidationError', message, code: 'VALIDATION', path: [name] }] };
    }
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const document = await documents.read(id);
    if (document?.status.value !== 'ACTIVE') {
      const message = 'The account is not active.';
      return { errors: [{ __typename: 'NotAllowedError', message, code: 'NOT_ALLOWED', path: [] }] };
    }
    const names = Object.keys(wished).filter(
      (name) => wished[name] !== (document.profile?.[name] ?? null),
    );
    if (!names.length) return { document, errors: [] };
    const changed = await change(documents, document, wished, names);
    if (changed) return { document: changed, errors: [] };
  }
  throw new Error('too many others changed this user at the same time');
}

async function change(documents, document, wished, names) {
  const values = Object.fromEntries(names.map((name) => [`profile.${name}`, wished[name]]));
  if (names.includes('displayName')) {
    const name = wished.displayName;
    values.nameKey = name ? `${name.toLowerCase()}\0${document._id}` : null;
  }
  const event = {
    rev: document.rev + 1,
    kind: 'PROFILE_CHANGED',
    op: randomBytes(16).toString('hex'),
    at: new Date(),
    fields: names.map((name) => STORED_NAMES[name]).sort(),
  };
  return documents.update(document, values, event, await archived(documents, document));
}

/** The newest revision that was archived just now; nothing when it is not time for that. */
async function archived(documents, document) {
  const due = (document.outbox ?? []).filter((event) => event.rev > (document.archivedRev ?? 0));
  if (due.length < ARCHIVE_EVERY) return undefined;
  const newest = due.at(-1);
  await documents.archive({
    _id: `${document._id}:${String(newest.rev).padStart(10, '0')}`,
    owner: document._id,
    rev: newest.rev,
    revisions: due,
    expiresAt: new Date(new Date(newest.at).getTime() + KEPT_FOR_MS),
  });
  return newest.rev;
}
