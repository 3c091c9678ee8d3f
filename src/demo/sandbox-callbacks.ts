import { createHmac } from 'node:crypto';
import type { Pool } from 'pg';
import { Agent, request } from 'undici';

/** Longer than one round takes; a process killed in between leaves the rest to another. */
const CLAIM_MS = 20_000;
const CLAIMED_MAX = 256;
const SEND_TIMEOUT_MS = 3_000;
/** A round that is stopped waits for this, once. */
const CONNECT_TIMEOUT_MS = 1_000;
/** A gateway says every second that it lives. */
const GATEWAY_SILENCE_MS_MAX = 5_000;
const GATEWAYS_TRIED_MAX = 4;
/** Pauses between tries, the last one again and again; times the scale of all delays. */
const RETRY_MS = [200, 500, 1_000, 2_000, 5_000, 15_000, 60_000, 300_000];
const GIVE_UP_HOURS = 24;

const gatewayConnections = new Agent({
  connect: { timeout: CONNECT_TIMEOUT_MS },
  headersTimeout: SEND_TIMEOUT_MS,
  bodyTimeout: SEND_TIMEOUT_MS,
});

interface DueCallback {
  readonly event_id: string;
  readonly supplier_code: string;
  readonly body: string;
  readonly try_count: number;
  readonly sequel_in_ms: number | null;
}

/**
 * Sends the callbacks that are due, each to the first live gateway that takes it; answers the
 * milliseconds until the next one, if one is known. The same event has the same body every time.
 */
export async function sendDueCallbacks(options: {
  readonly pool: Pool;
  readonly signingKeys: ReadonlyMap<string, string>;
  readonly nowMs: () => number;
  readonly delayScale: number;
  readonly signal: AbortSignal;
  /** Called when the next steps of orders are to come that waited for their callbacks. */
  readonly onLater: () => void;
}): Promise<number | null> {
  const { pool, signingKeys, nowMs, delayScale, signal } = options;
  const due = await claim(pool, [...signingKeys.keys()]);
  const gateways = due.length === 0 ? [] : await liveGateways(pool);
  const taken: DueCallback[] = [];
  await Promise.all(due.map(async (callback) => {
    const signingKey = signingKeys.get(callback.supplier_code) ?? '';
    const path = `/callbacks/fulfilment/${callback.supplier_code}`;
    let isTaken = false;
    for (const gateway of gateways) {
      if (isTaken || signal.aborted) break;
      isTaken = await send(`${gateway}${path}`, {
        body: callback.body, signingKey, nowMs: nowMs(), signal,
      });
    }
    if (isTaken) taken.push(callback);
    else await putOff(pool, callback, delayScale);
  }));
  const isWaitedFor = (callback: DueCallback): boolean => callback.sequel_in_ms !== null;
  const eventIds = (isMeant: (callback: DueCallback) => boolean): string[] => (
    taken.filter(isMeant).map(({ event_id: eventId }) => eventId)
  );
  if (taken.length > 0) await countDown(pool, eventIds((callback) => !isWaitedFor(callback)));
  if (taken.some(isWaitedFor)) {
    await beginSequels(pool, eventIds(isWaitedFor));
    options.onLater();
  }
  return untilNextCallbackMs(pool, [...signingKeys.keys()]);
}

/** True where the gateway says that it has the callback. */
async function send(
  url: string,
  options: {
    readonly body: string;
    readonly signingKey: string;
    readonly nowMs: number;
    readonly signal: AbortSignal;
  },
): Promise<boolean> {
  const timestamp = String(Math.trunc(options.nowMs / 1000));
  const signature = createHmac('sha256', options.signingKey)
    .update(`${timestamp}.${options.body}`).digest('hex');
  try {
    const response = await request(url, {
      dispatcher: gatewayConnections,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-timestamp': timestamp,
        'x-signature': signature,
      },
      body: options.body,
      signal: options.signal,
    });
    await response.body.dump();
    return response.statusCode >= 200 && response.statusCode < 300;
  } catch {
    return false;
  }
}

async function claim(pool: Pool, supplierCodes: readonly string[]): Promise<DueCallback[]> {
  const { rows } = await pool.query<DueCallback>({
    name: 'sandbox_claim_callbacks',
    // A clock that was read once is a condition of the index: those claimed are not read again.
    text: `update sandbox.callback
      set next_try_at = clock_timestamp() + $3 * interval '1 ms', try_count = try_count + 1
      where ctid = any (array(
        select ctid from sandbox.callback
        where next_try_at <= (select clock_timestamp()) and supplier_code = any ($1)
        order by next_try_at limit $2 for update skip locked))
      returning event_id, supplier_code, body, try_count, sequel_in_ms`,
    values: [supplierCodes, CLAIMED_MAX, CLAIM_MS],
  });
  return rows;
}

async function liveGateways(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ base_url: string }>({
    name: 'sandbox_live_gateways',
    text: `select base_url from sandbox.gateway
      where seen_at > clock_timestamp() - $1 * interval '1 ms' order by seen_at desc limit $2`,
    values: [GATEWAY_SILENCE_MS_MAX, GATEWAYS_TRIED_MAX],
  });
  return rows.map((row) => row.base_url);
}

/** Those that were taken: gone where it was the last send. */
async function countDown(pool: Pool, eventIds: readonly string[]): Promise<void> {
  await pool.query({
    name: 'sandbox_count_down_callbacks',
    text: `with taken as (
        delete from sandbox.callback where event_id = any ($1) and sends_left <= 1
      )
      update sandbox.callback
      set sends_left = sends_left - 1, try_count = 0, next_try_at = clock_timestamp()
      where event_id = any ($1) and sends_left > 1`,
    values: [eventIds],
  });
}

/**
 * Lets the next steps come that wait for callbacks, of which `which` is true. The callbacks have to
 * go in the same statement: their orders step on once. Orders first, as all who write both.
 */
const beginSequelsOf = (which: string): string => `
  begun as (
    update sandbox.supplier_order known
    set due_at = clock_timestamp() + told.sequel_in_ms * interval '1 ms'
    from sandbox.callback told
    where ${which} and told.sequel_in_ms is not null and known.due_at is null
      and known.supplier_code = told.supplier_code
      and known.reference = told.body::json ->> 'reference'
  )`;

/** Those that were taken, each sent once, and waited for. */
async function beginSequels(pool: Pool, eventIds: readonly string[]): Promise<void> {
  await pool.query(
    `with ${beginSequelsOf('told.event_id = any ($1)')}
     delete from sandbox.callback where event_id = any ($1)`,
    [eventIds],
  );
}

/** One that was not taken is tried again, for a day. */
async function putOff(pool: Pool, callback: DueCallback, delayScale: number): Promise<void> {
  const pauseMs = RETRY_MS[Math.min(callback.try_count, RETRY_MS.length) - 1] ?? 0;
  await pool.query(
    `with clock as materialized (
       select clock_timestamp() - $3 * interval '1 hour' as too_old
     ), ${beginSequelsOf('told.event_id = $1 and told.created_at <= (select too_old from clock)')},
     given_up as (
       delete from sandbox.callback
       where event_id = $1 and created_at <= (select too_old from clock)
     )
     update sandbox.callback set next_try_at = clock_timestamp() + $2 * interval '1 ms'
     where event_id = $1 and created_at > (select too_old from clock)`,
    [callback.event_id, pauseMs * delayScale, GIVE_UP_HOURS],
  );
}

async function untilNextCallbackMs(
  pool: Pool,
  supplierCodes: readonly string[],
): Promise<number | null> {
  const { rows } = await pool.query<{ ms: number | null }>({
    name: 'sandbox_until_next_callback',
    text: `select (extract(epoch from min(next_try_at) - clock_timestamp()) * 1000)::float8 as ms
      from sandbox.callback where supplier_code = any ($1)`,
    values: [supplierCodes],
  });
  return rows[0]?.ms ?? null;
}

/** Says that the gateway lives. */
export async function registerGateway(pool: Pool, baseUrl: string): Promise<void> {
  await pool.query(
    `insert into sandbox.gateway (base_url) values ($1)
     on conflict (base_url) do update set seen_at = clock_timestamp()`,
    [baseUrl],
  );
}

/** Says that the gateway is about to stop. */
export async function removeGateway(pool: Pool, baseUrl: string): Promise<void> {
  await pool.query('delete from sandbox.gateway where base_url = $1', [baseUrl]);
}
