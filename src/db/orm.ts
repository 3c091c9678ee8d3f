import { defineConfig, MikroORM, UnderscoreNamingStrategy } from '@mikro-orm/postgresql';
import { entities } from './entities.ts';
import {
  ANSWER_TIMEOUT_MS, CONNECT_TIMEOUT_MS, CONNECTION_TERMS, PROGRAM_NAMES, withTerms,
} from './pool.ts';

/** MikroORM over one database: for reads on slow paths. `size` bounds connections. */
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
      application_name: PROGRAM_NAMES.reads,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    },
    // Nothing is guessed from source files; the entities are given.
    discovery: { warnWhenNoEntities: false },
  }));
}
