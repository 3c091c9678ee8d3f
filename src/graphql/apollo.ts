import {
  ApolloServer, HeaderMap, type ApolloServerPlugin, type GraphQLRequestListener,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled, ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled, ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { OperationTypeNode, parse, type GraphQLSchema } from 'graphql';
import type { GraphqlDeps, OperationContext } from './context.ts';
import { maskError, maskErrors, requestError } from './errors.ts';
import type { Guard, Verdict } from './guard.ts';

/** Stands in for a refused text: nothing of it is ever executed. */
const NOTHING = parse('{ __typename }');

/** A request that shows a bearer token cannot be a form or an image of a foreign page. */
const CSRF_HEADERS = ['authorization', 'apollo-require-preflight', 'x-apollo-operation-name'];

/** Apollo over the shared guard and mask, started; parsing and validation are the guard's. */
export async function startApollo(
  schema: GraphQLSchema,
  { guard, deps }: { readonly guard: Guard; readonly deps: GraphqlDeps },
): Promise<ApolloServer<OperationContext>> {
  const { log } = deps;
  const apollo = new ApolloServer<OperationContext>({
    schema,
    nodeEnv: 'production',
    introspection: true,
    includeStacktraceInErrorResponses: false,
    allowBatchedHttpRequests: false,
    csrfPrevention: { requestHeaders: CSRF_HEADERS },
    persistedQueries: false,
    documentStore: null,
    stopOnTerminationSignals: false,
    formatError: (_formatted, error) => maskError(error),
    logger: {
      debug: () => {},
      info: () => {},
      warn: (message) => log.info({ message: String(message) }, 'Apollo warns'),
      error: (message) => log.error({ message: String(message) }, 'Apollo failed'),
    },
    plugins: [
      // It would wrap the resolver of every field, for cache hints that nothing here gives.
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      guardPlugin(guard, deps),
    ],
  });
  await apollo.start();
  return apollo;
}

function guardPlugin(guard: Guard, { log }: GraphqlDeps): ApolloServerPlugin<OperationContext> {
  return { requestDidStart: () => Promise.resolve(guardedRequest(guard, log)) };
}

function guardedRequest(
  guard: Guard,
  log: GraphqlDeps['log'],
): GraphQLRequestListener<OperationContext> {
  let verdict: Verdict | undefined;
  return {
    async didResolveSource(request) {
      verdict = guard(request.source);
      // Apollo parses and validates only where no document stands yet.
      const document = verdict.kind === 'ALLOWED' ? verdict.document : NOTHING;
      Object.assign(request, { document });
    },
    async didResolveOperation({ operation }) {
      if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) return;
      throw requestError('BAD_USER_INPUT', 'Subscriptions are served over the WebSocket',
        { http: { status: 400 } });
    },
    async responseForOperation({ contextValue: { requestId } }) {
      if (verdict?.kind !== 'REFUSED') return null;
      const errors = maskErrors(verdict.errors, { requestId, log });
      return {
        http: { status: 400, headers: new HeaderMap() },
        body: { kind: 'single', singleResult: { errors } },
      };
    },
    async willSendResponse({ errors, response, contextValue: { requestId } }) {
      if (errors === undefined || response.body.kind !== 'single') return;
      response.body.singleResult.errors = maskErrors(errors, { requestId, log });
    },
  };
}
