import { defineConfig, MikroORM, UnderscoreNamingStrategy } from '@mikro-orm/postgresql';
import { entities } from './entities.ts';
import { ANSWER_TIMEOUT_MS, CONNECT_TIMEOUT_MS, CONNECTION_TERMS, withTerms } from './pool.ts';

/** MikroORM over one database: reads on slow paths, and migrations. `size` bounds connections. */
export function openOrm(options: { databaseUrl: string; size: number }): Promise<MikroORM> {
  return MikroORM.init(defineConfig({
    clientUrl: options.databaseUrl,
    entities,
    namingStrategy: UnderscoreNamingStrategy,
    pool: { min: 0, max: options.size },
    driverOptions: {
      // Of `clientUrl` MikroORM reads the host, port, role and database alone, and an IPv6 address
      // with its brackets: what it says of TLS would be passed over. The driver reads all of it.
      ...withTerms(options.databaseUrl, CONNECTION_TERMS),
      application_name: 'topup-gateway reads',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    },
    // Nothing is guessed from source files; the entities are given.
    discovery: { warnWhenNoEntities: false },
  }));
}
