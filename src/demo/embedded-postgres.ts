import { realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { makeDataDir } from './data-dir.ts';
import { claimDataDir } from './data-dir-claim.ts';
import { openCluster } from './postgres-cluster.ts';
import { stopLeftovers } from './postgres-leftovers.ts';
import { superviseServer, type SupervisedServer } from './postgres-supervisor.ts';
import { withSingleConnection } from './single-connection.ts';

/** A running PostgreSQL of the demo's own, on loopback only. */
export interface EmbeddedPostgres {
  readonly port: number;
  /** As `topup_app`, the program's role, which owns nothing. */
  readonly databaseUrl: string;
  /** As `topup_owner`, which owns the database `topup`. */
  readonly ownerDatabaseUrl: string;
  /** As the superuser, to the database `postgres`. */
  readonly superuserUrl: string;
  /** Stops the server and releases the directory; idempotent, at most some 7 s. */
  stop(): Promise<void>;
}

// Constants of the demo: the server listens on loopback and holds nothing but demo orders.
const PASSWORDS = {
  postgres: 'demo-superuser', topup_owner: 'demo-owner', topup_app: 'demo-app',
  topup_clerk: 'demo-clerk', topup_approver: 'demo-approver',
};

const ROLES = ['topup_owner', 'topup_app', 'topup_clerk', 'topup_approver'] as const;

const CREATE_ROLES = `
  do $$
  begin
    ${ROLES.map((role) => `
    if to_regrole('${role}') is null then
      create role ${role} login password '${PASSWORDS[role]}';
    end if;`).join('')}
  end
  $$`;

const CREATE_DATABASE = 'create database topup owner topup_owner';

// Asked first: a start over a finished database writes nothing.
const OWN_SCHEMA = `
  do $$
  begin
    if (select nspowner from pg_namespace where nspname = 'public') <> 'topup_owner'::regrole then
      alter schema public owner to topup_owner;
      revoke create on schema public from public;
      revoke all on database topup from public;
      grant connect on database topup to topup_app;
    end if;
    if not has_database_privilege('topup_clerk', 'topup', 'connect') then
      grant connect on database topup to topup_clerk, topup_approver;
    end if;
  end
  $$`;

/**
 * Starts PostgreSQL in `<dataDir>/postgres`, made on the first start, with the roles of ROLES and
 * the database `topup`. A server left running by a killed program is stopped first; one that dies
 * is started again on the same port. `settings` override server parameters; `whileWaiting` is
 * called once a process of PostgreSQL's is at work, and there is time for other things. No
 * cluster is made to its end once `stopping` fires.
 * @throws the reason of `stopping`; Error where another living program uses `dataDir`, or the
 *   server cannot run here
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string;
  log: (message: string) => void;
  settings?: Record<string, string>;
  whileWaiting?: () => void;
  stopping?: AbortSignal;
}): Promise<EmbeddedPostgres> {
  await makeDataDir(options.dataDir);
  const dataDir = await realpath(options.dataDir);
  const claim = await claimDataDir(dataDir);
  let server: SupervisedServer | undefined;
  try {
    const { log, settings = {}, whileWaiting = () => {} } = options;
    const superuserPassword = PASSWORDS.postgres;
    const cluster = await openCluster({ ...options, dataDir, superuserPassword });
    server = await superviseServer(cluster, { settings, log, whileWaiting });
    await prepareDatabase(server.port);
  } catch (error) {
    await server?.stop();
    claim.release();
    throw error;
  }
  const supervised = server;
  const { port } = supervised;
  const stop = async (): Promise<void> => {
    await supervised.stop();
    claim.release();
  };
  let stopped: Promise<void> | undefined;
  return {
    port,
    databaseUrl: urlOf(port, 'topup_app', 'topup'),
    ownerDatabaseUrl: urlOf(port, 'topup_owner', 'topup'),
    superuserUrl: urlOf(port, 'postgres', 'postgres'),
    stop: () => (stopped ??= stop()),
  };
}

/**
 * Removes the cluster of `<dataDir>/postgres` with all that is in it; the next start makes it anew.
 * @throws Error where a living program uses `dataDir`
 */
export async function removeEmbeddedPostgres(options: {
  dataDir: string;
  log: (message: string) => void;
}): Promise<void> {
  await makeDataDir(options.dataDir);
  const dataDir = await realpath(options.dataDir);
  const claim = await claimDataDir(dataDir);
  try {
    const clusterDir = join(dataDir, 'postgres');
    await stopLeftovers(clusterDir, options.log);
    await rm(clusterDir, { recursive: true, force: true });
  } finally {
    claim.release();
  }
}

async function prepareDatabase(port: number): Promise<void> {
  await withSingleConnection(urlOf(port, 'postgres', 'postgres'), async (client) => {
    await client.query(CREATE_ROLES);
    const found = await client.query("select from pg_database where datname = 'topup'");
    if (found.rowCount === 0) await client.query(CREATE_DATABASE);
  });
  await withSingleConnection(urlOf(port, 'postgres', 'topup'), (client) =>
    client.query(OWN_SCHEMA));
}

function urlOf(port: number, role: keyof typeof PASSWORDS, database: string): string {
  return `postgres://${role}:${PASSWORDS[role]}@127.0.0.1:${port}/${database}`;
}
