import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { PgBoss } from 'pg-boss';
import type { MailJob, MailQueue, OwedMail } from '../domain/mail.ts';
import { JOB_OPTIONS, MAIL_QUEUE, UNDELIVERABLE_QUEUE } from './job-schema.ts';
import {
  ANSWER_TIMEOUT_MS, CONNECT_TIMEOUT_MS, CONNECTION_TERMS, PROGRAM_NAMES, withConnection, withTerms,
} from './pool.ts';

/** Connections of the library: jobs are few and their statements short. */
const JOB_POOL_SIZE = 2;

/**
 * The library hands these to the driver, though its types do not know them all. Without them a
 * connection that fell silent is waited for without end: no mail, and an end that is cut off.
 */
const SILENCE_TERMS = { query_timeout: ANSWER_TIMEOUT_MS, keepAlive: true };

interface OutboxRow {
  readonly client_id: number;
  readonly topup_order_id: number;
  readonly status: string;
  readonly address: string;
}

/**
 * Mail owed in email_outbox, turned into jobs of pg-boss. The library is loaded and started with
 * the first call, since no request ever waits for it; a start that fails is tried again.
 */
export function openMailQueue(options: {
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  readonly onError: (error: Error) => void;
}): MailQueue & { close(): Promise<void> } {
  const { pool } = options;
  let starting: Promise<PgBoss> | null = null;
  const jobs = (): Promise<PgBoss> => {
    starting ??= startJobs(options).catch((error: unknown) => {
      starting = null;
      throw error;
    });
    return starting;
  };
  return {
    async handOver(limit) {
      const boss = await jobs();
      return await isMailWaiting(pool) ? handOver(pool, boss, limit) : 0;
    },
    async take(limit) {
      const boss = await jobs();
      const taken = await boss.fetch<OwedMail>(MAIL_QUEUE, {
        batchSize: limit, includeMetadata: true,
      });
      return taken.map(({ id, retryCount, retryLimit, data }) =>
        ({ ...data, id, retryCount, isLastTry: retryCount >= retryLimit }));
    },
    async finish(job) {
      await (await jobs()).complete(MAIL_QUEUE, job);
    },
    async postpone(job, fault) {
      await (await jobs()).fail(MAIL_QUEUE, job, { fault });
    },
    async giveUp(job, fault) {
      const boss = await jobs();
      // Under the same id: a repeat after a crash in between is not kept twice.
      await boss.insert(UNDELIVERABLE_QUEUE, [{ id: job.id, data: { ...owedMail(job), fault } }]);
      await boss.complete(MAIL_QUEUE, job);
    },
    async close() {
      const boss = await starting?.catch(() => null);
      await boss?.stop({ graceful: false });
    },
  };
}

async function startJobs(options: {
  readonly databaseUrl: string;
  readonly onError: (error: Error) => void;
}): Promise<PgBoss> {
  const { PgBoss } = await import('pg-boss');
  const boss = new PgBoss({
    ...JOB_OPTIONS,
    ...withTerms(options.databaseUrl, CONNECTION_TERMS),
    max: JOB_POOL_SIZE,
    application_name: PROGRAM_NAMES.jobs,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    ...SILENCE_TERMS,
    migrate: false,
    createSchema: false,
  });
  boss.on('error', options.onError);
  try {
    return await boss.start();
  } catch (error) {
    await boss.stop({ graceful: false });
    throw error;
  }
}

async function isMailWaiting(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ waits: boolean }>({
    name: 'mail_waiting',
    text: 'select exists (select from email_outbox where handed_over_at is null) as waits',
  });
  return rows[0]?.waits ?? false;
}

/**
 * Mark and job in one transaction: a crash leaves both or neither. Should a mark be lost all the
 * same, as in a restored backup, the job's id still makes it one job.
 */
function handOver(pool: pg.Pool, boss: PgBoss, limit: number): Promise<number> {
  return withConnection(pool, async (client) => {
    await client.query('begin');
    const { rows } = await client.query<OutboxRow>({
      name: 'take_waiting_mail', text: 'select * from take_waiting_mail($1)', values: [limit],
    });
    if (rows.length > 0) {
      const db = {
        executeSql: (text: string, values?: unknown[]) => client.query<object>(text, values),
      };
      await boss.insert(MAIL_QUEUE, rows.map(toJob), { db });
    }
    await client.query('commit');
    return rows.length;
  });
}

function toJob(row: OutboxRow): { readonly id: string; readonly data: OwedMail } {
  const mail: OwedMail = {
    clientId: row.client_id,
    orderId: row.topup_order_id,
    status: row.status,
    address: row.address,
  };
  return { id: mailJobId(mail), data: mail };
}

/** The key of the outbox as a UUID of version 8 (RFC 9562): the same mail is the same job. */
function mailJobId(mail: OwedMail): string {
  const { clientId, orderId, status, address } = mail;
  const bytes = createHash('sha256').update(JSON.stringify([clientId, orderId, status, address]))
    .digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
    .join('-');
}

function owedMail({ clientId, orderId, status, address }: MailJob): OwedMail {
  return { clientId, orderId, status, address };
}
