import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { isSupplierAddress } from '../../src/config-values.ts';
import { prepareRestored } from '../../src/db/after-restore.ts';
import { migrate } from '../../src/db/migrate.ts';
import { readIdentity } from '../../src/db/server-facts.ts';
import { withSingleConnection } from '../../src/db/single-connection.ts';
import {
  assertAnswers, assertOneDatabase, overMigrated, overOwned,
} from '../../src/named-database.ts';
import { openParts } from '../../src/parts.ts';
import { StartRefused } from '../../src/start-refused.ts';
import { changed, withDatabaseName as otherDatabase } from '../support/database-url.ts';
import { useEmptyDatabase, useTestDatabase } from '../support/database.ts';

/** What a start looks at, in this process; processes/start.processes.ts starts the program. */
const database = useTestDatabase();
const empty = useEmptyDatabase();

const poolers: Server[] = [];
afterEach(() => {
  for (const server of poolers.splice(0)) server.close();
});

describe('what is wrong with an address', () => {
  /** Another address of the test's server. */
  const otherwise = (change: (url: URL) => void): string => (
    changed(database().databaseUrl, change)
  );

  it('is told in words that name the variable, and never the password', async () => {
    const noServer = otherwise((url) => { url.port = '9'; });
    const wrongPassword = otherwise((url) => { url.password = 'wr0ng-w0rd'; });
    const noDatabase = otherDatabase(database().ownerDatabaseUrl, 'nowhere');
    const unmigrated = empty();
    const standby = otherwise((url) => {
      url.searchParams.set('options', '-c default_transaction_read_only=on');
    });
    const told = [
      ['DATABASE_URL', noServer, /^The database of DATABASE_URL cannot be used: .*ECONNREFUSED/],
      ['DATABASE_URL', wrongPassword, /of DATABASE_URL cannot .* password authentication failed/],
      ['A_URL', noDatabase, /^The database of A_URL cannot be used: .*"nowhere" does not exist$/],
      ['A_URL', unmigrated, /^The database of A_URL is not migrated, .*\nRun: .*npm run migrate$/],
      ['A_URL', standby, /^The database of A_URL only reads: cannot execute .* read-only trans/],
    ] as const;
    for (const [name, url, message] of told) {
      const refused = overMigrated({ name, url }, prepareRestored);
      await expect(refused).rejects.toThrow(StartRefused);
      await expect(refused).rejects.toThrow(message);
      await expect(refused).rejects.not.toThrow(/wr0ng-w0rd|demo-owner/);
    }
  });

  it('is told of a role that may make no tables', async () => {
    const notOwned = otherDatabase(database().databaseUrl, new URL(empty()).pathname.slice(1));
    const refused = overOwned({ name: 'A_URL', url: notOwned }, (ownerDatabaseUrl) =>
      migrate({ ownerDatabaseUrl, programRole: 'topup_app', onWait: () => undefined }));
    await expect(refused).rejects.toThrow(StartRefused);
    await expect(refused).rejects.toThrow(/^The role of A_URL may not migrate: permission denied/);
  });

  it('is told of the program\'s own role, which owns none of the tables', async () => {
    const { databaseUrl } = database();
    const refused = overOwned({ name: 'A_URL', url: databaseUrl }, (ownerDatabaseUrl) =>
      migrate({ ownerDatabaseUrl, programRole: 'topup_app', onWait: () => undefined }));
    await expect(refused).rejects.toThrow(StartRefused);
    await expect(refused).rejects.toThrow(/^The role of A_URL may not migrate: it owns nothing/);
  });

  it('is told of a role of the program that nobody has made, before anything is done', async () => {
    const url = empty();
    const refused = overOwned({ name: 'A_URL', url }, (ownerDatabaseUrl) =>
      migrate({ ownerDatabaseUrl, programRole: 'No_App', onWait: () => undefined }));
    await expect(refused).rejects.toThrow(StartRefused);
    await expect(refused).rejects
      .toThrow(/^DATABASE_URL is to name the role of the program: role "No_App" does not exist/);
    const tables = await withSingleConnection(url, async (client) => (
      await client.query("select from pg_class where relnamespace = 'public'::regnamespace")
    ).rows);
    expect(tables).toEqual([]);
  });

  it('is believed where the role may not ask which database it is', async () => {
    const { databaseUrl, ownerDatabaseUrl, superuserUrl } = database();
    const right = 'execute on function pg_control_system()';
    await withSingleConnection(superuserUrl, async (superuser) => {
      await superuser.query(`revoke ${right} from public`);
      try {
        expect(await withSingleConnection(databaseUrl, readIdentity)).toBeNull();
        await assertOneDatabase(databaseUrl, ownerDatabaseUrl);
        await assertAnswers({ name: 'A_URL', url: databaseUrl });
      } finally {
        await superuser.query(`grant ${right} to public`);
      }
    });
    expect(await withSingleConnection(databaseUrl, readIdentity)).toMatch(/^[0-9]+\/[0-9]+$/);
  });

  it.each([
    'application_name=shop', 'options=-c%20search_path%3Dpublic', 'options=', 'connect_timeout=3',
    'statement_timeout=3000', 'idle_in_transaction_session_timeout=60000',
  ])('is nothing with settings of its own: %s', async (settings) => {
    const url = `${database().databaseUrl}?${settings}`;
    await expect(assertAnswers({ name: 'A_URL', url })).resolves.toBeUndefined();
  });

  it.each([
    '', '?options=-c%20timezone%3DUTC',
  ])('is told where the settings of a connection do not reach the database: %s', async (own) => {
    const { hostname, port } = new URL(database().databaseUrl);
    // As a pooler does it: what a connection asks for is taken and not passed on.
    const pooler = createServer((near) => {
      const far = connect(Number(port), hostname);
      near.on('data', (chunk) => far.write(Buffer.from(chunk.toString('latin1')
        .replace('is_heard=on', 'is_heard=no'), 'latin1')));
      far.on('data', (chunk) => near.write(chunk));
      for (const socket of [near, far]) socket.on('error', () => undefined);
      near.on('close', () => far.destroy());
    }).listen(0, '127.0.0.1');
    poolers.push(pooler);
    await once(pooler, 'listening');
    const url = otherwise((each) => {
      each.host = `127.0.0.1:${(pooler.address() as AddressInfo).port}`;
    });
    await expect(assertAnswers({ name: 'A_URL', url: `${url}${own}` }))
      .rejects.toThrow('behind a pooler');
  });
});

it('closes again what it opened where a supplier has no key', async () => {
  const { databaseUrl } = database();
  const opening = openParts({
    databaseUrl,
    tokenSigningKey: 'a token signing key that only tests use',
    keyHashingKey: 'a key hashing key that only tests use',
    environment: 'sandbox',
    trustedProxies: [],
    supplierKeys: { 'sandbox-a': ['a signing key that only tests use'] },
    sandboxUrl: null,
    mailServer: null,
    feedRetentionDays: 30,
    clock: systemClock,
    onError: (error) => { throw error; },
  });
  await expect(opening).rejects.toThrow(/no key for supplier sandbox-b, e\.g\. .*sandbox-b=KEY/);
  // Sooner than a pool closes by itself what is idle.
  await expect.poll(() => database().query(
    "select pid from pg_stat_activity where datname = current_database() and usename = 'topup_app'",
  ), { timeout: 5000 }).toEqual([]);
});

describe('the address of a supplier', () => {
  it.each([
    'https://supplier.example/api', 'http://127.0.0.1:4001/sandbox-a', 'http://10.1.2.3:8080',
    'http://[fd00::1]/x',
  ])('may be %s', (address) => expect(isSupplierAddress(address)).toBe(true));

  it.each([
    '', 'x', 'supplier.example', 'ftp://supplier.example', 'file:///etc/passwd',
    'javascript:alert(1)', 'https://user:pw@supplier.example', 'https://supplier.example/?x=1',
    'https://user@supplier.example', 'https://:pw@supplier.example', 'https://supplier.example/#x',
    ...[22, 23, 25, 465, 587, 3306, 5432, 6379].map((port) => `http://supplier.example:${port}`),
    'http://169.254.169.254/latest', 'http://0xa9fea9fe/', 'http://2852039166', 'http://0.0.0.0',
    'http://[fe80::1]', 'http://[::]', 'http://[::ffff:169.254.169.254]', 'http://239.1.1.1',
    'http://[ff02::1]', 'http://255.255.255.255', 'http://0.1.2.3',
  ])('is not %s', (address) => expect(isSupplierAddress(address)).toBe(false));
});
