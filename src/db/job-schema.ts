import type pg from 'pg';
import type { ConstructorOptions, Queue } from 'pg-boss';
import library from 'pg-boss/package.json' with { type: 'json' };

/** Jobs beside the orders live in a schema of the job library's own. */
export const JOB_SCHEMA = 'pgboss';

export const MAIL_QUEUE = 'mail';
/** Mail that could not be sent: kept for a person, who may send it again. */
export const UNDELIVERABLE_QUEUE = 'mail-undeliverable';

const DAY_S = 86_400;

/** Dead letters first: a queue that names one must find it. */
const QUEUES: readonly Queue[] = [
  { name: UNDELIVERABLE_QUEUE, retentionSeconds: 90 * DAY_S, deleteAfterSeconds: DAY_S },
  {
    name: MAIL_QUEUE,
    deadLetter: UNDELIVERABLE_QUEUE,
    // Waits of 2 to 4 s, doubling up to a quarter of an hour: 13 hours in all, which is a night
    // in which nobody looks after the mail server.
    retryLimit: 60,
    retryDelay: 2,
    retryBackoff: true,
    retryDelayMax: 900,
    // Longer than the mailer's own limit: only a process that died loses its job by this.
    expireInSeconds: 90,
    retentionSeconds: 14 * DAY_S,
    // The job's copy of an address is kept no longer than somebody may ask about the mail.
    deleteAfterSeconds: DAY_S,
  },
];

/** What every instance of the library leaves out: each part needs more than its role may do. */
export const JOB_OPTIONS = {
  schema: JOB_SCHEMA,
  schedule: false,
  reindex: false,
  monitorVacuum: false,
  registerInstance: false,
  openTelemetry: { enabled: false },
} as const satisfies ConstructorOptions;

/** Says what is installed, so that a start that finds it installed need not load the library. */
function installationMark(): string {
  return JSON.stringify({ version: library.version, queues: QUEUES });
}

/** Whether schema and queues are those of this program. */
export async function isJobSchemaInstalled(client: pg.ClientBase): Promise<boolean> {
  const { rows: [found] } = await client.query<{ mark: string | null }>(
    `select obj_description(to_regnamespace($1), 'pg_namespace') as mark`, [JOB_SCHEMA],
  );
  return found?.mark === installationMark();
}

/**
 * Creates or migrates the job schema and its queues, as the owner: the program's role may neither
 * create tables nor queues. The caller holds the lock of migrations.
 */
export async function installJobSchema(client: pg.ClientBase): Promise<void> {
  if (await isJobSchemaInstalled(client)) return;
  const { PgBoss } = await import('pg-boss');
  const boss = new PgBoss({
    ...JOB_OPTIONS,
    db: { executeSql: (text, values) => client.query(text, values as unknown[]) },
    supervise: false,
    migrate: true,
  });
  const faults: Error[] = [];
  boss.on('error', (error) => faults.push(error));
  await boss.start();
  try {
    for (const { name, ...settings } of QUEUES) {
      const found = await boss.getQueue(name);
      if (found === null) await boss.createQueue(name, settings);
      else await boss.updateQueue(name, settings);
    }
  } finally {
    await boss.stop({ graceful: false, close: false });
  }
  if (faults[0] !== undefined) throw faults[0];
  const mark = client.escapeLiteral(installationMark());
  await client.query(`comment on schema ${JOB_SCHEMA} is ${mark}`);
}

/** What the program's role needs to use the jobs; the tables stay the owner's. */
export function jobGrantsTo(role: string): string {
  return `grant usage on schema ${JOB_SCHEMA} to ${role};
    grant select, insert, update, delete on all tables in schema ${JOB_SCHEMA} to ${role};
    revoke insert, delete on ${JOB_SCHEMA}.version, ${JOB_SCHEMA}.queue from ${role};
    grant execute on all functions in schema ${JOB_SCHEMA} to ${role};`;
}
