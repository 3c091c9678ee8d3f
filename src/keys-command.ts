import type pg from 'pg';
import { readOptions, toClientId, toExpiry } from './command-line.ts';
import { insertApiKey, listApiKeys, revokeApiKey, type ApiKeyRow } from './db/api-keys.ts';
import { withSingleConnection } from './db/single-connection.ts';
import { SCOPES, type Scope } from './domain/access.ts';
import {
  clientOfApiKey, hashApiSecret, makeApiKey, secretPrefix, type Environment,
} from './domain/api-key.ts';
import { StartRefused } from './start-refused.ts';

const USAGE = `Usage:
  npm run keys -- create --client 1 [--scopes read,orders:write] [--days 365]
  npm run keys -- list [--client 1]
  npm run keys -- revoke KEY`;

export interface KeysCommand {
  /** create, list or revoke, and what follows. */
  readonly args: readonly string[];
  readonly ownerDatabaseUrl: string;
  readonly environment: Environment;
  readonly hashingKey: string;
  readonly now: Date;
}

/**
 * What operators do with API keys, as the owner of the tables. Answers what to print; a secret is
 * in it once, and nowhere else.
 * @throws StartRefused
 */
export async function runKeysCommand(command: KeysCommand): Promise<string> {
  const [verb = '', ...rest] = command.args;
  const run = new Map(Object.entries({ create, list, revoke })).get(verb);
  if (run === undefined) throw new StartRefused(USAGE);
  return withSingleConnection(command.ownerDatabaseUrl, (owner) =>
    run(owner, { ...command, args: rest }));
}

async function create(owner: pg.Client, command: KeysCommand): Promise<string> {
  const { values } = readOptions(command.args, {
    options: ['client', 'scopes', 'days'], wordCount: 0, usage: USAGE,
  });
  const clientId = toClientId(values.client);
  if (clientId === null) throw new StartRefused(`Name the client.\n${USAGE}`);
  const { environment, hashingKey, now } = command;
  const key = makeApiKey({ clientId, environment });
  const isKept = await insertApiKey(owner, {
    clientId,
    id: key.id,
    secretHash: hashApiSecret(key.secret, hashingKey),
    secretPrefix: secretPrefix(key.secret),
    scopes: toScopes(values.scopes),
    expiresAt: toExpiry(values.days, now),
  });
  if (!isKept) {
    throw new StartRefused(`Client ${clientId} does not exist, or has two live keys: revoke one`);
  }
  return `API key     ${key.id}\nAPI secret  ${key.secret}\nThe secret is not shown again.\n`;
}

async function list(owner: pg.Client, { args, now }: KeysCommand): Promise<string> {
  const { values } = readOptions(args, { options: ['client'], wordCount: 0, usage: USAGE });
  const keys = await listApiKeys(owner, toClientId(values.client));
  return keys.length === 0 ? 'No keys.\n' : keys.map((key) => describe(key, now)).join('');
}

async function revoke(owner: pg.Client, { args, environment }: KeysCommand): Promise<string> {
  const { words: [id = ''] } = readOptions(args, { options: [], wordCount: 1, usage: USAGE });
  const clientId = clientOfApiKey(id, environment);
  const isFound = clientId !== null && await revokeApiKey(owner, { clientId, id });
  if (!isFound) {
    throw new StartRefused(`There is no key ${id} of ENVIRONMENT=${environment}\n${USAGE}`);
  }
  return `${id} is revoked, with all tokens that it led to.\n`;
}

function describe(key: ApiKeyRow, now: Date): string {
  const shown = (time: Date | null): string => time?.toISOString().slice(0, 16) ?? 'never';
  const isOver = key.expiresAt !== null && key.expiresAt <= now;
  const state = key.revokedAt !== null ? `revoked ${shown(key.revokedAt)}`
    : isOver ? 'expired' : 'live';
  const made = `made ${shown(key.createdAt)}`;
  return `${key.id}  ${key.secretPrefix}…  ${key.scopes.join(',')}  ${made}  `
    + `expires ${shown(key.expiresAt)}  used ${shown(key.lastUsedAt)}  ${state}\n`;
}

function toScopes(text: string | undefined): readonly Scope[] {
  if (text === undefined) return SCOPES;
  const words = text.split(',');
  const unknown = words.find((word) => !(SCOPES as readonly string[]).includes(word));
  if (unknown === undefined) return SCOPES.filter((scope) => words.includes(scope));
  throw new StartRefused(`There is no scope ${unknown}; there are ${SCOPES.join(', ')}`);
}
