import type { FastifyInstance } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { variantCountMax } from '../domain/catalogue-listing.ts';
import { createAdmission } from './admission.ts';
import { startApollo } from './apollo.ts';
import type { GraphqlDeps } from './context.ts';
import { createGuard } from './guard.ts';
import { addHttpRoutes } from './http-door.ts';
import { buildTopupSchema } from './schema.ts';
import { schemaFileRoute } from './schema-file.ts';
import { openSocketDoor } from './socket-door.ts';

export type { GraphqlDeps } from './context.ts';

export interface GraphqlDoor {
  /** Ends all sockets with 1001 and stops Apollo; called by the app's own close as well. */
  close(): Promise<void>;
  /** Sockets that are open now. */
  socketCount(): number;
}

/**
 * Opens /graphql on the app, over HTTP and WebSocket, behind one guard and one mask. To be called
 * before the app listens.
 */
export async function graphqlDoor(app: FastifyInstance, deps: GraphqlDeps): Promise<GraphqlDoor> {
  return openSchema(app, await buildTopupSchema(), deps);
}

/** The same, over a schema that stands already. */
export async function openSchema(
  app: FastifyInstance,
  schema: GraphQLSchema,
  deps: GraphqlDeps,
): Promise<GraphqlDoor> {
  const guard = createGuard(schema, {
    ...deps, variantCountMax: () => variantCountMax(deps.store.pricing()),
  });
  const admitOperation = createAdmission(guard, deps);
  const executor = await startApollo(schema, deps);
  await addHttpRoutes(app, { executor, admitOperation, deps });
  if (deps.isIntrospectionAllowed) schemaFileRoute(app, schema);
  const sockets = openSocketDoor(app, { schema, admitOperation, deps });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= sockets.close().then(() => executor.stop());
    return closed;
  };
  // Before the server closes: it would wait for the sockets, and they for their clients.
  app.addHook('preClose', close);
  return { close, socketCount: () => sockets.socketCount() };
}
