import { EventEmitter } from 'node:events';
import pg from 'pg';
import { ANSWER_TIMEOUT_MS, CONNECT_TIMEOUT_MS, PROGRAM_NAMES } from './pool.ts';

/** Channels of the database; a lost message costs latency only, because everyone also polls. */
export type WakeUp = 'access' | 'catalogue' | 'feed' | 'work' | 'worker_alive';
const CHANNELS: readonly WakeUp[] = ['access', 'catalogue', 'feed', 'work', 'worker_alive'];
/** Whatever was said on these while nobody listened is looked up; a sign of life is not. */
const LOOKED_UP: readonly WakeUp[] = ['access', 'catalogue', 'feed', 'work'];

const RECONNECT_PAUSE_MS = 250;
/** A connection that a network has forgotten says nothing, as one does on which nothing happens. */
const ASK_MS = 5000;
/** One message tells of all work that arrived within this time. */
const COALESCE_MS = 20;

const QUEUE_IS_FULL = '54000';

/**
 * Tells all processes. A queue that is full, behind a listener that was stuck, takes nothing more
 * even when that one has gone: PostgreSQL tidies it up where something is added, or on request.
 */
export async function notify(pool: pg.Pool, channel: WakeUp): Promise<void> {
  try {
    await pool.query({ name: 'wake', text: "select pg_notify($1, '')", values: [channel] });
  } catch (error) {
    if ((error as { code?: unknown }).code !== QUEUE_IS_FULL) throw error;
    await pool.query('select pg_notification_queue_usage()');
  }
}

export interface WakeUps {
  on(channel: WakeUp, listener: () => void): () => void;
  /** Wakes this process at once and the others with a coalesced message. */
  send(channel: WakeUp): void;
  close(): Promise<void>;
}

/** Wake-ups between the processes of one database, on a connection of their own. */
export function openWakeUps(options: {
  readonly databaseUrl: string;
  readonly pool: pg.Pool;
  readonly onError: (error: Error) => void;
  /** How often the connection is asked whether it lives, and how long it has to answer. */
  readonly askMs?: number;
  readonly answerTimeoutMs?: number;
}): WakeUps {
  const { askMs = ASK_MS, answerTimeoutMs = ANSWER_TIMEOUT_MS } = options;
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  let isClosed = false;
  let client: pg.Client | null = null;
  const waiting = new Map<WakeUp, NodeJS.Timeout>();

  const listen = async (): Promise<void> => {
    while (!isClosed) {
      const next = new pg.Client({
        // By this name npm run restored knows a program, so the address has none of its own.
        connectionString: options.databaseUrl.replace(/(?<=[?&])application_name=[^&]*&?/, ''),
        application_name: PROGRAM_NAMES.wakeUps,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        query_timeout: answerTimeoutMs,
        keepAlive: true,
      });
      const end = new AbortController();
      next.once('end', () => end.abort());
      next.on('error', options.onError);
      next.on('notification', ({ channel }) => emitter.emit(channel));
      try {
        await next.connect();
        client = next;
        // Closed meanwhile: whoever closed has not seen this one.
        if (isClosed) return await next.end();
        await next.query(CHANNELS.map((channel) => `listen ${channel}`).join('; '));
        for (const channel of LOOKED_UP) emitter.emit(channel);
        while (await isStill(end.signal, askMs)) await next.query('select 1');
      } catch (error) {
        if (!isClosed) options.onError(error as Error);
        await next.end().catch(() => undefined);
      }
      if (!isClosed) await new Promise((resolve) => setTimeout(resolve, RECONNECT_PAUSE_MS));
    }
  };
  void listen();

  return {
    on(channel, listener) {
      emitter.on(channel, listener);
      return () => emitter.off(channel, listener);
    },
    send(channel) {
      emitter.emit(channel);
      if (waiting.has(channel) || isClosed) return;
      waiting.set(channel, setTimeout(() => {
        waiting.delete(channel);
        notify(options.pool, channel).catch(options.onError);
      }, COALESCE_MS));
    },
    async close() {
      isClosed = true;
      for (const timer of waiting.values()) clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}

/** Whether something has not ended within this time. What is awaited here is kept nowhere. */
function isStill(ended: AbortSignal, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timeout);
      ended.removeEventListener('abort', over);
      resolve(!ended.aborted);
    };
    const timeout = setTimeout(over, ms);
    ended.addEventListener('abort', over);
    if (ended.aborted) over();
  });
}
