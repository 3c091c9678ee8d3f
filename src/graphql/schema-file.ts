import type { FastifyInstance } from 'fastify';
import { lexicographicSortSchema, printSchema, type GraphQLSchema } from 'graphql';

/** Where the schema can be downloaded, by whoever may ask the gateway about it as well. */
const SCHEMA_PATH = '/schema.graphql';

/** The schema in GraphQL's own language, in the order of names. */
export function schemaText(schema: GraphQLSchema): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
}

/** Serves the schema as text, printed once. */
export function schemaFileRoute(app: FastifyInstance, schema: GraphQLSchema): void {
  let text: string | null = null;
  app.get(SCHEMA_PATH, { schema: { hide: true } }, async (_request, reply) => {
    reply.type('text/plain; charset=utf-8');
    return (text ??= schemaText(schema));
  });
}
