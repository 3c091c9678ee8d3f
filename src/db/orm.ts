import { defineConfig, MikroORM, UnderscoreNamingStrategy } from '@mikro-orm/postgresql';
import { entities } from './entities.ts';

/** MikroORM over one database: reads on slow paths, and migrations. `size` bounds connections. */
export function openOrm(options: { databaseUrl: string; size: number }): Promise<MikroORM> {
  return MikroORM.init(defineConfig({
    clientUrl: options.databaseUrl,
    entities,
    namingStrategy: UnderscoreNamingStrategy,
    pool: { min: 0, max: options.size },
    // Nothing is guessed from source files; the entities are given.
    discovery: { warnWhenNoEntities: false },
  }));
}
