import { EventEmitter } from 'node:events';
import type pg from 'pg';
import type { Standing, Standings } from '../domain/access.ts';
import { parseNetwork } from '../domain/network.ts';
import type { RateFigures } from '../domain/rate-limits.ts';
import { followChannel, oneAtATime } from './following.ts';
import { askUntilBack } from './pool.ts';
import type { WakeUps } from './wake-ups.ts';

/** A lost wake-up leaves a revocation unknown for at most this, well within the 5 s promised. */
const POLL_MS = 1000;
/** Where so long nobody began to look, the process stood still. */
const ASLEEP_MS = 3000;

// A key that was revoked matters while a token of it may live: an hour, and some skew. Not by
// client: every process answers for all of them.
// Clients are read where their version is not $1, 0 for none: a logout changes none of them. They
// are where the whole version is before $2, too: an older database may have come back.
const STANDINGS_SQL = `select v.version, v.clients_version,
  case when v.clients_version <> $1 or v.version < $2 then
    (select json_agg(json_build_array(c.client_id, c.is_active, c.is_rate_limited,
        coalesce(g.generation, 1),
        (select json_agg(n.network) from client_network n where n.client_id = c.client_id),
        (select json_object_agg(r.class, r.per_minute)
          from client_rate r where r.client_id = c.client_id)))
      from client c left join token_generation g on g.client_id = c.client_id) end as clients,
  (select json_agg(r.id) from (
    select id::text from revoked_token where expires_at > now()
    union all
    select id from api_key where revoked_at > now() - interval '2 hours') r) as revoked
  from access_version v`;

type ClientTuple = readonly [
  clientId: number, isActive: boolean, isRateLimited: boolean, generation: number,
  networks: readonly string[] | null, rates: Partial<RateFigures> | null,
];

interface StandingsRow {
  readonly version: number;
  readonly clients_version: number;
  /** Null where there are none, or none has changed. */
  readonly clients: readonly ClientTuple[] | null;
  readonly revoked: readonly string[] | null;
}

interface Copy {
  readonly version: number;
  readonly clientsVersion: number;
  readonly clients: ReadonlyMap<number, Standing>;
  readonly revoked: ReadonlySet<string>;
}

const NOTHING: Copy = { version: 0, clientsVersion: 0, clients: new Map(), revoked: new Set() };

/** The standings of all clients, in memory; no request asks the database for them. */
export async function followStandings(options: {
  readonly pool: pg.Pool;
  readonly wakeUps: WakeUps;
  readonly onError: (error: Error) => void;
  readonly nowMs?: () => number;
}): Promise<Standings & { close(): void }> {
  const { pool, nowMs = () => performance.now() } = options;
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  /** When somebody last asked; the poll does by the second, also of a database that is silent. */
  let askedMs = nowMs();
  let sleepCount = 0;
  /** The last sleep behind which somebody has looked. */
  let knownSleep = 0;
  let copy = await readStandings(pool, NOTHING);
  // While the database is away, those who ask come by the second.
  const read = oneAtATime(() => askUntilBack(async () => {
    if (await readVersion(pool) === copy.version) return;
    copy = await readStandings(pool, copy);
    emitter.emit('change');
  }));
  const hasSlept = (): boolean => nowMs() - askedMs > ASLEEP_MS || knownSleep < sleepCount;
  const refresh = (): Promise<void> => {
    if (nowMs() - askedMs > ASLEEP_MS) sleepCount += 1;
    askedMs = nowMs();
    const behind = sleepCount;
    const reading = read();
    // What was read before the sleep wakes nobody, though it ends behind it. Where nothing can be
    // read, nobody waits again: a database that is away lets no order in either.
    const wake = (): void => { knownSleep = Math.max(knownSleep, behind); };
    reading.then(wake, wake);
    return reading;
  };
  const close = followChannel({
    ...options, channel: 'access', pollMs: POLL_MS, look: refresh,
  });
  return {
    of: (clientId) => copy.clients.get(clientId),
    isRevoked: (id) => copy.revoked.has(id),
    refresh,
    hasSlept,
    onChange(listener) {
      emitter.on('change', listener);
      return () => emitter.off('change', listener);
    },
    close,
  };
}

async function readVersion(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ version: number }>({
    name: 'access_version', text: 'select version from access_version',
  });
  return rows[0]?.version ?? 0;
}

async function readStandings(pool: pg.Pool, before: Copy): Promise<Copy> {
  const { rows: [row] } = await pool.query<StandingsRow>({
    name: 'standings', text: STANDINGS_SQL, values: [before.clientsVersion, before.version],
  });
  if (row === undefined) throw new Error('The standings have no row');
  const areKnown = row.clients_version === before.clientsVersion && row.version >= before.version;
  return {
    version: row.version,
    clientsVersion: row.clients_version,
    clients: areKnown
      ? before.clients
      : new Map((row.clients ?? []).map((client) => [client[0], toStanding(client)])),
    revoked: new Set(row.revoked ?? []),
  };
}

function toStanding(
  [, isActive, isRateLimited, generation, networks, rates]: ClientTuple,
): Standing {
  return {
    isActive,
    generation,
    networks: (networks ?? []).map((text) => {
      const network = parseNetwork(text);
      if (network === null) throw new Error('A network of the database is none');
      return network;
    }),
    rates: isRateLimited ? rates ?? {} : null,
  };
}
