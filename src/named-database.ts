import { CONNECTION_TERMS } from './db/pool.ts';
import { HEARD_TERM, readIdentity, readServerFacts } from './db/server-facts.ts';
import { withSingleConnection } from './db/single-connection.ts';
import { StartRefused } from './start-refused.ts';

/** A database, and the variable or file that has its address. */
export interface NamedDatabase {
  readonly name: string;
  readonly url: string;
}

export const MIGRATE_COMMAND = 'MIGRATION_DATABASE_URL=<address of the owner> '
  + 'DATABASE_URL=<address of the program> npm run migrate';

/** A schema, table, column or function that is not there, or not for this role. */
const UNMIGRATED = new Set(['3F000', '42P01', '42703', '42883', '42501']);

/**
 * Tries the address once, before anything is built upon it. A pooler that takes the settings of a
 * connection and passes them over hands its connections round as well: statements prepared on one
 * are then asked of another, and a lock is left with whoever comes next.
 * @throws StartRefused naming where the address is from; it has a password, and is not shown
 */
export async function assertAnswers({ name, url }: NamedDatabase): Promise<void> {
  const refuse = (reason: string, cause?: unknown): StartRefused =>
    new StartRefused(`The database of ${name} cannot be used: ${reason}`, { cause });
  const options = `${CONNECTION_TERMS} ${HEARD_TERM}`;
  const found = await withSingleConnection(url, readServerFacts, { options })
    .catch((error: unknown) => {
      throw refuse(reasonOf(error), error);
    });
  if (!found.hasSettings) {
    throw refuse('the settings of a connection do not reach it. It is behind a pooler: name'
      + ' PostgreSQL itself');
  }
  // SQL_ASCII keeps whatever bytes it is given. One that has orders goes on as well as it did.
  if (found.isNew && !ENCODINGS.includes(found.encoding)) {
    throw refuse(`its encoding is ${found.encoding}, which lacks most letters: make it with UTF8`);
  }
}

/**
 * Tells whether both addresses are of one database, before anything is made in either.
 * @throws StartRefused where they are not; nothing where one cannot be asked
 */
export async function assertOneDatabase(
  databaseUrl: string,
  migrationDatabaseUrl: string,
): Promise<void> {
  const [program, owner] = await Promise.all([databaseUrl, migrationDatabaseUrl].map((url) =>
    withSingleConnection(url, readIdentity).catch(() => null)));
  if (program === owner || program === null || owner === null) return;
  throw new StartRefused('DATABASE_URL and MIGRATION_DATABASE_URL name two databases: what is made'
    + ' in one, the program does not see in the other. Both end alike, for instance'
    + ' postgresql://topup_app:…@db/topup and postgresql://topup_owner:…@db/topup');
}

const ENCODINGS = ['UTF8', 'SQL_ASCII'];

/** A write where only reads are allowed: a standby, or a role or database that is set so. */
const READ_ONLY = '25006';

/**
 * Runs `work` over a database that something is written to.
 * @throws StartRefused where it only reads
 */
async function overWritable<Result>(
  { name, url }: NamedDatabase,
  work: (databaseUrl: string) => Promise<Result>,
): Promise<Result> {
  return work(url).catch((error: unknown) => {
    if (codeOf(error) !== READ_ONLY) throw error;
    throw new StartRefused(`The database of ${name} only reads: ${reasonOf(error)}`);
  });
}

/** What a role may not do that owns neither the database nor its tables. */
const NOT_ALLOWED = '42501';
/** Whom the program is to be, and whom nobody has made. */
const NO_SUCH_ROLE = '42704';

/**
 * Runs `work` over a database in which it makes tables.
 * @throws StartRefused where the role may not, or where the database only reads
 */
export async function overOwned<Result>(
  database: NamedDatabase,
  work: (databaseUrl: string) => Promise<Result>,
): Promise<Result> {
  return overWritable(database, work).catch((error: unknown) => {
    if (codeOf(error) === NO_SUCH_ROLE) {
      throw new StartRefused(`DATABASE_URL is to name the role of the program: ${reasonOf(error)}`);
    }
    if (codeOf(error) !== NOT_ALLOWED) throw error;
    throw new StartRefused(`The role of ${database.name} may not migrate: ${reasonOf(error)}.`
      + ' It has to own the database, and the tables in it');
  });
}

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);

/**
 * Runs `work` over a database that was migrated, as far as `work` can tell.
 * @throws StartRefused with the command to run where it was not, or where nothing can be written
 */
export async function overMigrated<Result>(
  database: NamedDatabase,
  work: (databaseUrl: string) => Promise<Result>,
): Promise<Result> {
  await assertAnswers(database);
  return overWritable(database, work).catch((error: unknown) => {
    if (!UNMIGRATED.has(codeOf(error))) throw error;
    throw new StartRefused(
      `The database of ${database.name} is not migrated, or not for this role: `
      + `${reasonOf(error)}.\nRun: ${MIGRATE_COMMAND}`,
    );
  });
}

/** Where a name has several addresses, each has a reason. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
