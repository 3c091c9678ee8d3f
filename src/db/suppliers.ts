import type { MikroORM } from '@mikro-orm/postgresql';
import { SupplierEntity } from './entities.ts';

/** The companies we buy from, in order of id; addresses as the operators entered them. */
export async function listSuppliers(orm: MikroORM): Promise<readonly {
  readonly code: string;
  readonly baseUrl: string;
  readonly concurrencyMax: number;
}[]> {
  return orm.em.fork().find(SupplierEntity, {}, { orderBy: { id: 'asc' } });
}
