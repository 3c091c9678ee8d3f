import {
  ApolloServer, HeaderMap, type ApolloServerPlugin, type GraphQLRequestListener,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled, ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled, ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import {
  execute, type DocumentNode, type GraphQLFormattedError, type GraphQLSchema,
} from 'graphql';
import { EXECUTION_OPTIONS, type GraphqlDeps, type OperationContext } from './context.ts';
import { maskError, maskErrors } from './errors.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import type { Allowed } from './guard.ts';

/** The context of an operation, and the document that the guard let through. */
interface GuardedContext extends OperationContext {
  readonly document: DocumentNode;
}

/** What executing an operation brought; without data nothing was executed. */
export interface OperationResult {
  readonly data?: Record<string, unknown> | null | undefined;
  readonly errors?: readonly GraphQLFormattedError[] | undefined;
}

export interface Executor {
  execute(
    allowed: Allowed,
    request: GraphqlRequest,
    context: OperationContext,
  ): Promise<OperationResult>;
  stop(): Promise<void>;
}

/**
 * Apollo, started, behind the guard and the mask: documents arrive parsed, validated and paid
 * for, and the door decides statuses and media types.
 */
export async function startApollo(schema: GraphQLSchema, deps: GraphqlDeps): Promise<Executor> {
  const { log } = deps;
  const apollo = new ApolloServer<GuardedContext>({
    schema,
    nodeEnv: 'production',
    introspection: true,
    includeStacktraceInErrorResponses: false,
    allowBatchedHttpRequests: false,
    // Requests reach Apollo only with a bearer token, which no foreign page can add.
    csrfPrevention: false,
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
      guardedPlugin(deps),
    ],
  });
  await apollo.start();
  return {
    async execute({ source, document }, { operationName, variables }, context) {
      const { body } = await apollo.executeOperation({
        query: source,
        ...(operationName === null ? {} : { operationName }),
        ...(variables === null ? {} : { variables }),
      }, { contextValue: { ...context, document } });
      if (body.kind !== 'single') throw new Error('An operation was to be answered in parts');
      return body.singleResult;
    },
    stop: () => apollo.stop(),
  };
}

/** The door decides what stands there. */
const NO_HEAD = { headers: new HeaderMap() };

function guardedPlugin({ log }: GraphqlDeps): ApolloServerPlugin<GuardedContext> {
  const listener: GraphQLRequestListener<GuardedContext> = {
    async didResolveSource(request) {
      // Apollo parses and validates only where no document stands yet.
      Object.assign(request, { document: request.contextValue.document });
    },
    // Apollo's own way to the execution negotiates media types of answers in parts, and copies the
    // result; a create through GraphQL takes a tenth less of the process without it.
    async responseForOperation({ schema, request, contextValue }) {
      const { document, requestId, moved } = contextValue;
      const { data, errors } = await execute({
        schema,
        document,
        contextValue,
        variableValues: request.variables ?? null,
        operationName: request.operationName ?? null,
        options: EXECUTION_OPTIONS,
      });
      const singleResult = {
        ...(data === undefined ? {} : { data }),
        ...(errors === undefined ? {} : {
          errors: maskErrors(errors, { requestId, log, orderId: moved.orderId }),
        }),
      };
      return { http: NO_HEAD, body: { kind: 'single', singleResult } };
    },
    async willSendResponse({ errors, response, contextValue: { requestId } }) {
      if (errors === undefined || response.body.kind !== 'single') return;
      response.body.singleResult.errors = maskErrors(errors, { requestId, log });
    },
  };
  return { requestDidStart: () => Promise.resolve(listener) };
}
