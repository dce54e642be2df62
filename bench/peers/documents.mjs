/** Users and who follows them, as stored: over the driver, or in memory behind the same verbs. */
import { readFileSync } from 'node:fs';
import { MongoClient } from 'mongodb';
import { settings } from './settings.mjs';

const OUTBOX_LENGTH = 32;
const FOR_READERS = { outbox: 0, archivedRev: 0, 'counts.operations': 0 };
const FOR_WRITERS = { 'counts.operations': 0 };

/** The documents that the bench wants to be used. */
export async function openDocuments() {
  if (settings.documents) return new MemoryDocuments(settings.documents);
  const client = new MongoClient(settings.uri, {
    appName: 'usergraph-bench',
    writeConcern: { w: 'majority', journal: true },
    readConcernLevel: 'majority',
    readPreference: 'primary',
    maxPoolSize: 48,
    serverMonitoringMode: 'poll',
  });
  await client.connect();
  return new StoredDocuments(client.db(settings.database));
}

class StoredDocuments {
  constructor(database) {
    this.users = database.collection('users');
    this.followers = database.collection('followers');
    this.revisions = database.collection('revisions');
  }

  /** The documents that exist, by id. */
  async byIds(ids) {
    const found = await this.users
      .find({ _id: { $in: ids } }, { projection: FOR_READERS, batchSize: 1000 })
      .toArray();
    return new Map(found.map((document) => [document._id, document]));
  }

  /** Ids of the newest followers of each owner, at most `limit` each, by owner. */
  async firstPages(owners, limit) {
    if (owners.length === 1) {
      const rows = await this.followers
        .find({ target: owners[0] }, { sort: { order: 1 }, limit, batchSize: 1000 })
        .toArray();
      return new Map([[owners[0], rows.map((row) => row.source)]]);
    }
    const pages = await this.users
      .aggregate(
        [
          { $match: { _id: { $in: owners } } },
          { $project: { _id: 1 } },
          {
            $lookup: {
              from: 'followers',
              localField: '_id',
              foreignField: 'target',
              pipeline: [{ $sort: { order: 1 } }, { $limit: limit }],
              as: 'rows',
            },
          },
        ],
        { batchSize: 1000 },
      )
      .toArray();
    return new Map(pages.map((page) => [page._id, page.rows.map((row) => row.source)]));
  }

  /** One document as of now, with its newest events. */
  read(id) {
    return this.users.findOne({ _id: id }, { projection: FOR_WRITERS });
  }

  /** Sets paths (null removes) and adds the event, if the document is still at its revision. */
  async update(document, values, event, archivedRev) {
    const change = {
      $set: { rev: event.rev },
      $push: { outbox: { $each: [event], $slice: -OUTBOX_LENGTH } },
    };
    if (archivedRev) change.$set.archivedRev = archivedRev;
    for (const [path, value] of Object.entries(values)) {
      if (value) change.$set[path] = value;
      else (change.$unset ??= {})[path] = '';
    }
    const { _id, rev } = document;
    if (settings.is_embedded) {
      const { matchedCount } = await this.users.updateOne({ _id, rev }, change);
      return matchedCount ? this.users.findOne({ _id }, { projection: FOR_READERS }) : null;
    }
    const options = { returnDocument: 'after', projection: FOR_READERS };
    return this.users.findOneAndUpdate({ _id, rev }, change, options);
  }

  /** Keeps events that may fall off the document soon; the same row twice is one row. */
  async archive(row) {
    try {
      await this.revisions.insertOne(row);
    } catch (error) {
      if (error.code !== 11000) throw error;
    }
  }
}

class MemoryDocuments {
  constructor(path) {
    const { users, followers } = JSON.parse(readFileSync(path, 'utf8'));
    this.users = new Map(users.map((document) => [document._id, revived(document)]));
    this.followers = new Map(Object.entries(followers));
  }

  async byIds(ids) {
    return new Map(ids.map((id) => [id, this.users.get(id)]));
  }

  async firstPages(owners, limit) {
    return new Map(owners.map((id) => [id, (this.followers.get(id) ?? []).slice(0, limit)]));
  }

  async read(id) {
    return this.users.get(id) ?? null;
  }

  async update(document, values, event, archivedRev) {
    if (this.users.get(document._id)?.rev !== document.rev) return null;
    const outbox = [...document.outbox, event].slice(-OUTBOX_LENGTH);
    const profile = { ...document.profile };
    const changed = { ...document, profile, outbox, rev: event.rev };
    if (archivedRev) changed.archivedRev = archivedRev;
    for (const [path, value] of Object.entries(values)) {
      const [first, second] = path.split('.');
      const owner = second ? changed[first] : changed;
      if (value) owner[second ?? first] = value;
      else delete owner[second ?? first];
    }
    this.users.set(document._id, changed);
    return changed;
  }

  async archive() {}
}

function revived(document) {
  return { ...document, createdAt: new Date(document.createdAt) };
}
