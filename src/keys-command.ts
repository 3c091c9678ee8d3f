import { parseArgs } from 'node:util';
import type pg from 'pg';
import { insertApiKey, listApiKeys, revokeApiKey, type ApiKeyRow } from './db/api-keys.ts';
import { withSingleConnection } from './db/single-connection.ts';
import { SCOPES, type Scope } from './domain/access.ts';
import {
  clientOfApiKey, hashApiSecret, makeApiKey, secretPrefix, type Environment,
} from './domain/api-key.ts';

const USAGE = `Usage:
  npm run keys -- create --client 1 [--scopes read,orders:write] [--days 365]
  npm run keys -- list [--client 1]
  npm run keys -- revoke KEY`;

type OptionName = 'client' | 'scopes' | 'days';

const DAY_MS = 24 * 60 * 60 * 1000;
const DAYS_MAX = 3650;

export interface KeysCommand {
  /** create, list or revoke, and what follows. */
  readonly args: readonly string[];
  readonly ownerDatabaseUrl: string;
  readonly environment: Environment;
  readonly hashingKey: string;
  readonly now: Date;
}

/** What was asked for makes no sense; the message says how to ask. */
export class KeysRefused extends Error {}

/**
 * What operators do with API keys, as the owner of the tables. Answers what to print; a secret is
 * in it once, and nowhere else.
 * @throws KeysRefused
 */
export async function runKeysCommand(command: KeysCommand): Promise<string> {
  const [verb = '', ...rest] = command.args;
  const run = new Map(Object.entries({ create, list, revoke })).get(verb);
  if (run === undefined) throw new KeysRefused(USAGE);
  return withSingleConnection(command.ownerDatabaseUrl, (owner) =>
    run(owner, { ...command, args: rest }));
}

async function create(owner: pg.Client, command: KeysCommand): Promise<string> {
  const { values } = read(command.args, {
    options: ['client', 'scopes', 'days'], wordCount: 0,
  });
  const clientId = toClientId(values.client);
  if (clientId === null) throw new KeysRefused(`Name the client.\n${USAGE}`);
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
    throw new KeysRefused(`Client ${clientId} does not exist, or has two live keys: revoke one`);
  }
  return `API key     ${key.id}\nAPI secret  ${key.secret}\nThe secret is not shown again.\n`;
}

async function list(owner: pg.Client, { args }: KeysCommand): Promise<string> {
  const { values } = read(args, { options: ['client'], wordCount: 0 });
  const keys = await listApiKeys(owner, toClientId(values.client));
  return keys.length === 0 ? 'No keys.\n' : keys.map(describe).join('');
}

async function revoke(owner: pg.Client, { args, environment }: KeysCommand): Promise<string> {
  const { positionals: [id = ''] } = read(args, { options: [], wordCount: 1 });
  const clientId = clientOfApiKey(id, environment);
  const isFound = clientId !== null && await revokeApiKey(owner, { clientId, id });
  if (!isFound) {
    throw new KeysRefused(`There is no key ${id} of ENVIRONMENT=${environment}\n${USAGE}`);
  }
  return `${id} is revoked, with all tokens that it led to.\n`;
}

function describe(key: ApiKeyRow): string {
  const shown = (time: Date | null): string => time?.toISOString().slice(0, 16) ?? 'never';
  const state = key.revokedAt === null ? 'live' : `revoked ${shown(key.revokedAt)}`;
  const made = `made ${shown(key.createdAt)}`;
  return `${key.id}  ${key.secretPrefix}…  ${key.scopes.join(',')}  ${made}  `
    + `expires ${shown(key.expiresAt)}  used ${shown(key.lastUsedAt)}  ${state}\n`;
}

/** What a verb takes: its options, each once at most, and so many words. */
interface Takes {
  readonly options: readonly OptionName[];
  readonly wordCount: number;
}

/** What a verb would not look at is refused: it was meant to say something. */
function read(args: readonly string[], takes: Takes): {
  values: { [Name in OptionName]?: string }; positionals: string[];
} {
  const text = { type: 'string' } as const;
  try {
    const { values, positionals, tokens } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { client: text, scopes: text, days: text },
      tokens: true,
    });
    const names = tokens.flatMap((token) => token.kind === 'option' ? [token.name] : []);
    for (const [at, name] of names.entries()) {
      if (!takes.options.includes(name)) throw new Error(`--${name} means nothing here`);
      if (names.indexOf(name) < at) throw new Error(`--${name} is there twice`);
    }
    const extra = positionals[takes.wordCount];
    if (extra !== undefined) throw new Error(`${extra} means nothing here`);
    return { values, positionals };
  } catch (error) {
    throw new KeysRefused(`${(error as Error).message}\n${USAGE}`);
  }
}

function toClientId(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw new KeysRefused(`${text} is no client id`);
  return Number(text);
}

function toScopes(text: string | undefined): readonly Scope[] {
  if (text === undefined) return SCOPES;
  const words = text.split(',');
  const unknown = words.find((word) => !(SCOPES as readonly string[]).includes(word));
  if (unknown === undefined) return SCOPES.filter((scope) => words.includes(scope));
  throw new KeysRefused(`There is no scope ${unknown}; there are ${SCOPES.join(', ')}`);
}

function toExpiry(days: string | undefined, now: Date): Date | null {
  if (days === undefined) return null;
  if (!/^[1-9][0-9]{0,3}$/.test(days) || Number(days) > DAYS_MAX) {
    throw new KeysRefused(`--days is a whole number from 1 to ${DAYS_MAX}`);
  }
  return new Date(now.getTime() + Number(days) * DAY_MS);
}
