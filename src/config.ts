import { z } from 'zod';
import {
  databaseUrl, host, integer, isNetwork, isOrigin, isSender, isSmtpUrl, oneOf, oneOfOrNone,
  parseSupplierKeys, port, secret, SECRET_LENGTH_MIN, splitList,
} from './config-values.ts';

/** Settings of one process. Every key says what it means; times carry their unit. */
export interface Config {
  readonly port: number;
  readonly host: string;
  /** Other processes of the program may listen at the same port. */
  readonly isPortShared: boolean;
  readonly dataDir: string;
  /** The program's own role; null where the embedded database is used. */
  readonly databaseUrl: string | null;
  /** The role that owns the tables; null where migrations are somebody else's work. */
  readonly migrationDatabaseUrl: string | null;
  readonly role: 'all' | 'gateway' | 'worker';
  readonly isDemo: boolean;
  /** Tokens and keys of the one are refused by the other; it decides the rate limits too. */
  readonly environment: 'sandbox' | 'production';
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** Whose pages may use the gateway from a browser; see `shareWithOrigins`. */
  readonly allowedOrigins: readonly string[];
  /** 0 takes a free one. */
  readonly supplierPort: number;
  /** True where SUPPLIER_PORT was given: it is then taken or the start fails. */
  readonly isSupplierPortFixed: boolean;
  readonly socketsPerClient: number;
  readonly subscriptionsPerSocket: number;
  /** How long the feed of events can be resumed; days. */
  readonly feedRetentionDays: number;
  /** How long an exchange rate may be in force; older ones count as missing. 0: no limit. */
  readonly forexRateHoursMax: number;
  readonly isIntrospectionAllowed: boolean;
  /** The explorer and, in the demo, what goes with it. */
  readonly arePagesServed: boolean;
  /** Which text of GraphQL over HTTP decides statuses and media types. */
  readonly httpText: 'draft' | 'legacy';
  /** Whether only documents of the manifest are executed. */
  readonly isTrustedOnly: boolean;
  readonly logLevel: string;
  readonly tokenSigningKey: string;
  readonly keyHashingKey: string;
  /** Signing keys by supplier code; the first signs, all verify. */
  readonly supplierKeys: Readonly<Record<string, readonly string[]>>;
  readonly inlineWaitMs: number;
  /** May hold a password. Null where mail stays queued, or goes to the demo's catcher. */
  readonly smtpUrl: string | null;
  /** 'name@host' or 'Name <name@host>'. */
  readonly mailFrom: string;
}

/** All faults of the environment at once. */
export class ConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    const list = faults.map((each) => `  - ${each}`).join('\n');
    super(`The configuration has ${faults.length} fault(s):\n${list}`);
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

// Known to everybody: they serve a demo on one's own machine and nothing else.
const DEMO_TOKEN_KEY = 'demo-token-signing-key-for-this-machine-only';
const DEMO_HASHING_KEY = 'demo-key-hashing-key-for-this-machine-only';
const DEMO_SUPPLIER_KEYS = 'sandbox-a=demo-signing-key-of-supplier-a-0001,'
  + 'sandbox-b=demo-signing-key-of-supplier-b-0001';
const SUPPLIER_KEYS_EXAMPLE =
  'SUPPLIER_SIGNING_KEYS=supplier-code=KEY with KEY from: openssl rand -base64 32';
const PORT_DEFAULT = 4000;
const INLINE_WAIT_MS_MAX = 60_000;
/** Where people develop a frontend beside the demo. */
const DEMO_ORIGINS = ['http://localhost:*', 'http://127.0.0.1:*', 'http://[::1]:*'];
const DEMO_MAIL_FROM = 'Top-up gateway <no-reply@topup.example>';

const environment = z.object({
  PORT: port('PORT', PORT_DEFAULT),
  HOST: host('HOST', '127.0.0.1'),
  PORT_SHARED: oneOf('PORT_SHARED', ['0', '1']),
  DATA_DIR: z.string().min(1, { message: 'DATA_DIR must be a folder, e.g. DATA_DIR=.data' })
    .default('.data'),
  DATABASE_URL: databaseUrl('DATABASE_URL'),
  MIGRATION_DATABASE_URL: databaseUrl('MIGRATION_DATABASE_URL'),
  ROLE: oneOf('ROLE', ['all', 'gateway', 'worker']),
  DEMO: oneOfOrNone('DEMO', ['1', '0']),
  ENVIRONMENT: oneOfOrNone('ENVIRONMENT', ['sandbox', 'production']),
  TRUSTED_PROXIES: z.string().default('').transform(splitList)
    .refine((networks) => networks.every(isNetwork), {
      message: 'TRUSTED_PROXIES must list addresses or networks, '
        + 'e.g. TRUSTED_PROXIES=127.0.0.1,10.0.0.0/8',
    }),
  ALLOWED_ORIGINS: z.string().optional()
    .transform((text) => text === undefined ? undefined : splitList(text))
    .refine((origins) => origins === undefined || origins.every(isOrigin), {
      message: 'ALLOWED_ORIGINS must list origins, '
        + 'e.g. ALLOWED_ORIGINS=https://shop.example.com,http://localhost:5173',
    }),
  SUPPLIER_PORT: integer('SUPPLIER_PORT', { fallback: 0, min: 0, max: 65_535, example: 4001 }),
  SOCKETS_PER_CLIENT: integer('SOCKETS_PER_CLIENT', { fallback: 20, min: 1, max: 100_000 }),
  SUBSCRIPTIONS_PER_SOCKET:
    integer('SUBSCRIPTIONS_PER_SOCKET', { fallback: 50, min: 1, max: 10_000 }),
  FEED_RETENTION_DAYS: integer('FEED_RETENTION_DAYS', { fallback: 30, min: 1, max: 3650 }),
  FOREX_RATE_HOURS_MAX: integer('FOREX_RATE_HOURS_MAX', { fallback: 0, min: 0, max: 87_600 }),
  INTROSPECTION: oneOfOrNone('INTROSPECTION', ['1', '0']),
  PAGES: oneOfOrNone('PAGES', ['1', '0']),
  GRAPHQL_HTTP: oneOf('GRAPHQL_HTTP', ['draft', 'legacy']),
  TRUSTED_DOCUMENTS_ONLY: oneOf('TRUSTED_DOCUMENTS_ONLY', ['0', '1']),
  LOG_LEVEL: oneOf('LOG_LEVEL', ['info', 'debug', 'warn', 'error', 'silent']),
  INLINE_WAIT_MS: integer('INLINE_WAIT_MS', { fallback: 5000, min: 0, max: INLINE_WAIT_MS_MAX }),
  SMTP_URL: z.string().optional().refine((text) => text === undefined || isSmtpUrl(text), {
    message: 'SMTP_URL must be the address of a mail server, '
      + 'e.g. SMTP_URL=smtp://user:password@mail.example.com:587',
  }),
  MAIL_FROM: z.string().optional().refine((text) => text === undefined || isSender(text), {
    message: 'MAIL_FROM must be an address, with or without a name, '
      + "e.g. MAIL_FROM='Top-ups <no-reply@example.com>'",
  }),
  TOKEN_SIGNING_KEY: secret('TOKEN_SIGNING_KEY'),
  KEY_HASHING_KEY: secret('KEY_HASHING_KEY'),
  SUPPLIER_SIGNING_KEYS: z.string().optional()
    .refine((text) => text === undefined || parseSupplierKeys(text) !== null, {
      message: 'SUPPLIER_SIGNING_KEYS must read code=KEY[:OLDKEY],..., each code once, each '
        + `key of at least ${SECRET_LENGTH_MIN} characters, e.g. ${SUPPLIER_KEYS_EXAMPLE}`,
    }),
});

/**
 * Reads the environment; `needsSecrets` is false for commands that only look after a database.
 * @throws ConfigError naming every fault with an example
 */
export function readConfig(env: NodeJS.ProcessEnv, needsSecrets: boolean): Config {
  const parsed = environment.safeParse(env);
  const faults = parsed.error?.issues.map((issue) => issue.message) ?? [];
  const isDemo = env['DEMO'] === '1' || (env['DATABASE_URL'] ?? '') === '';
  if (needsSecrets) faults.push(...findMissing(env, isDemo));
  if (isDemo && Number(env['SUPPLIER_PORT']) === Number(env['PORT'] ?? PORT_DEFAULT)) {
    faults.push('SUPPLIER_PORT must be another one than PORT, e.g. SUPPLIER_PORT=4001');
  }
  if (parsed.data === undefined || faults.length > 0) throw new ConfigError(faults);
  const read = parsed.data;
  return {
    port: read.PORT,
    host: read.HOST,
    isPortShared: read.PORT_SHARED === '1',
    dataDir: read.DATA_DIR,
    databaseUrl: read.DATABASE_URL,
    migrationDatabaseUrl: read.MIGRATION_DATABASE_URL,
    role: read.ROLE,
    isDemo,
    environment: read.ENVIRONMENT === '' ? isDemo ? 'sandbox' : 'production' : read.ENVIRONMENT,
    trustedProxies: read.TRUSTED_PROXIES,
    allowedOrigins: read.ALLOWED_ORIGINS ?? (isDemo ? DEMO_ORIGINS : []),
    supplierPort: read.SUPPLIER_PORT === 0 ? portAfter(read.PORT) : read.SUPPLIER_PORT,
    isSupplierPortFixed: read.SUPPLIER_PORT !== 0,
    socketsPerClient: read.SOCKETS_PER_CLIENT,
    subscriptionsPerSocket: read.SUBSCRIPTIONS_PER_SOCKET,
    feedRetentionDays: read.FEED_RETENTION_DAYS,
    forexRateHoursMax: read.FOREX_RATE_HOURS_MAX,
    isIntrospectionAllowed: read.INTROSPECTION === '1' || (isDemo && read.INTROSPECTION !== '0'),
    arePagesServed: read.PAGES === '1' || (isDemo && read.PAGES !== '0'),
    httpText: read.GRAPHQL_HTTP,
    isTrustedOnly: read.TRUSTED_DOCUMENTS_ONLY === '1',
    logLevel: read.LOG_LEVEL,
    tokenSigningKey: read.TOKEN_SIGNING_KEY ?? DEMO_TOKEN_KEY,
    keyHashingKey: read.KEY_HASHING_KEY ?? DEMO_HASHING_KEY,
    supplierKeys: parseSupplierKeys(read.SUPPLIER_SIGNING_KEYS ?? DEMO_SUPPLIER_KEYS) ?? {},
    inlineWaitMs: read.INLINE_WAIT_MS,
    smtpUrl: read.SMTP_URL ?? null,
    mailFrom: read.MAIL_FROM ?? DEMO_MAIL_FROM,
  };
}

/** What a process needs that takes orders, and commands that make keys for it. */
function findMissing(env: NodeJS.ProcessEnv, isDemo: boolean): readonly string[] {
  const faults: string[] = [];
  if (env['MIGRATION_DATABASE_URL'] !== undefined && env['DATABASE_URL'] === undefined) {
    faults.push('MIGRATION_DATABASE_URL needs beside it the address with the role that the program '
      + 'uses, e.g. DATABASE_URL=postgresql://topup_app:password@127.0.0.1:5432/topup');
  }
  if (isDemo) return faults;
  for (const name of ['TOKEN_SIGNING_KEY', 'KEY_HASHING_KEY', 'SUPPLIER_SIGNING_KEYS']) {
    if (env[name] === undefined) faults.push(missingSecret(name));
    else if (/\bdemo-[a-z-]*key-/.test(env[name])) faults.push(publishedSecret(name));
  }
  if (env['SMTP_URL'] !== undefined && env['MAIL_FROM'] === undefined) {
    faults.push('MAIL_FROM is needed with SMTP_URL, e.g. MAIL_FROM=no-reply@example.com');
  }
  return faults;
}

/** There is none after the last. */
function portAfter(port: number): number {
  return port === 65_535 ? 0 : port + 1;
}

function missingSecret(name: string): string {
  const example = name === 'SUPPLIER_SIGNING_KEYS'
    ? SUPPLIER_KEYS_EXAMPLE
    : `${name} from: openssl rand -base64 32`;
  return `${name} has no default with DATABASE_URL and without DEMO=1; e.g. ${example}`;
}

function publishedSecret(name: string): string {
  return `${name} is the demo's, which everybody knows; one of your own: openssl rand -base64 32`;
}

/**
 * The environment of this process; nobody else reads it. Where the database is the demo's own,
 * takes PG* variables out of it, which the driver would read.
 * @throws ConfigError with every fault
 */
export function configFromEnvironment(needsSecrets: boolean): Config {
  const config = readConfig(process.env, needsSecrets);
  // What a shell says of a PostgreSQL (PGSSLMODE, PGOPTIONS) is not about this one.
  const isOurs = config.databaseUrl === null && config.migrationDatabaseUrl === null;
  for (const name of isOurs ? Object.keys(process.env) : []) {
    if (/^PG[A-Z]+$/.test(name)) delete process.env[name];
  }
  return config;
}
