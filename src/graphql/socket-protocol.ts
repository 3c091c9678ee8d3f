import {
  execute, type ExecutionArgs, type ExecutionResult, type FormattedExecutionResult,
  type GraphQLError, type GraphQLSchema,
} from 'graphql';
import { makeServer, type Context, type Server, type SubscribePayload } from 'graphql-ws';
import { Forbidden, type Caller } from '../domain/access.ts';
import { tooBusy } from '../domain/rejection.ts';
import type { Admit, Admitted } from './admission.ts';
import {
  EXECUTION_OPTIONS, operationContext, type GraphqlDeps, type OperationContext,
} from './context.ts';
import { carried, maskErrors, requestError } from './errors.ts';
import { eventToll, type EventToll } from './event-toll.ts';
import { subscribeFreshly, type ResultIterator } from './fresh-subscribe.ts';
import { MalformedRequest, readParameters } from './graphql-request.ts';
import { OperationTurns } from './operation-turns.ts';
import { CLOSE, type SocketConnection } from './socket-connection.ts';
import { placesOf } from './socket-operations.ts';

/** Told to the client in connection_ack: how often we ping it. */
export const HEARTBEAT_INTERVAL_MS = 12_000;
const SECONDS_A_DAY = 86_400;

export interface SocketProtocolOptions {
  readonly schema: GraphQLSchema;
  readonly admitOperation: Admit;
  readonly deps: GraphqlDeps;
  /** Counts a socket for its client; false where the client has too many. */
  readonly admit: (connection: SocketConnection, caller: Caller) => boolean;
}

interface BeginParts extends SocketProtocolOptions {
  readonly turns: OperationTurns;
}

type Init = Record<string, unknown>;
type SocketContext = Context<Init, SocketConnection>;

interface AdmittedArgs extends ExecutionArgs {
  readonly contextValue: OperationContext;
  /** Null once the cost was told, with the first result. */
  settle: Admitted['settle'] | null;
  readonly toll: EventToll | null;
}

/** graphql-transport-ws over the shared guard and mask; an operation never ends the socket. */
export function socketProtocol(options: SocketProtocolOptions): Server<SocketConnection> {
  const { log, socketsPerClient, subscriptionsPerSocket } = options.deps;
  const turns = new OperationTurns(socketsPerClient * placesOf(subscriptionsPerSocket));
  return makeServer<Init, SocketConnection>({
    // The connection keeps one deadline for connection_init and authentication together.
    connectionInitWaitTimeout: 0,
    onConnect: ({ extra, connectionParams }) => connect(extra, connectionParams, options),
    onSubscribe: (context, id, payload) => begin(context, { id, payload }, { ...options, turns }),
    execute: (args) => executeOnce(args),
    subscribe: (args) => subscribe(args, options),
    onOperation: ({ extra }, _id, _payload, _args, result) =>
      isResultIterator(result) ? extra.keep(result) : undefined,
    onNext: (_context, _id, _payload, args, result) =>
      shownResult(args as AdmittedArgs, result, log),
    onError: ({ extra }, _id, _payload, errors) =>
      maskErrors(errors, { requestId: extra.nextRequestId(), log }),
  });
}

async function connect(
  connection: SocketConnection,
  init: Init | undefined,
  { deps, admit }: SocketProtocolOptions,
): Promise<Init | false> {
  const refuse = (why: Parameters<SocketConnection['close']>[0]): false => {
    connection.close(why);
    return false;
  };
  let caller: Caller | null;
  try {
    const authorization = authorizationOf(init);
    caller = await deps.authenticate({ authorization, address: connection.address });
  } catch (error) {
    if (error instanceof Forbidden) return refuse(CLOSE.refused);
    deps.log.error({ requestId: connection.id, err: error }, 'A socket was not authenticated');
    return refuse(CLOSE.unavailable);
  }
  // Authentication may have taken longer than the socket lived.
  if (!connection.isOpen) return false;
  if (caller === null) return refuse(CLOSE.refused);
  if (!admit(connection, caller)) return refuse(CLOSE.tooManySockets);
  connection.acknowledge(caller);
  // Taken back between the two: nobody will tell of it again.
  if (!deps.isStillAdmitted(caller)) return refuse(CLOSE.revoked);
  return {
    heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
    resumeWindowSeconds: deps.feedRetentionDays * SECONDS_A_DAY,
  };
}

/** The one `authorization` of connection_init, in any case; a bare token is a bearer token. */
function authorizationOf(init: Init | undefined): string | undefined {
  const values = Object.entries(init ?? {})
    .filter(([key]) => key.toLowerCase() === 'authorization')
    .map(([, value]) => value);
  const [value] = values;
  if (values.length !== 1 || typeof value !== 'string') return undefined;
  return value.includes(' ') ? value : `Bearer ${value}`;
}

/** What to execute, or why not; thrown errors would end the socket, so nothing is thrown. */
async function begin(
  { extra: connection }: SocketContext,
  { id, payload }: { readonly id: string; readonly payload: SubscribePayload },
  { schema, admitOperation, deps, turns }: BeginParts,
): Promise<AdmittedArgs | readonly GraphQLError[]> {
  try {
    const { caller } = connection;
    if (caller === null) return [requestError('UNAUTHENTICATED', 'The socket has no caller')];
    const limit = deps.subscriptionsPerSocket;
    // The new operation is counted already.
    if (connection.operations.openCount > limit) {
      return [requestError('LIMIT_EXCEEDED', `At most ${limit} operations at a time on a socket`)];
    }
    if (!connection.operations.hasPlace(limit)) return [carried(tooBusy())];
    const request = readParameters({ ...payload });
    // Ends the sockets of those who were revoked meanwhile. Not within a turn: what follows a wait
    // is not of its time, and all of them would be parsed in one go.
    await deps.catchUp();
    const admission = await turns.run(caller.clientId, async () => (
      connection.isOpen ? admitOperation(request, { ...caller, transport: 'SOCKET' }) : null
    ));
    if (admission === null) return [requestError('UNAUTHENTICATED', 'The socket was closed')];
    if (admission.kind === 'REFUSED') return admission.errors;
    // The limits may have taken longer than the socket lived.
    if (!connection.isOpen) return [requestError('UNAUTHENTICATED', 'The socket was closed')];
    // The socket ends once what was begun is answered; this is not begun.
    if (!deps.isStillAdmitted(caller)) return [requestError('UNAUTHENTICATED', 'Token revoked')];
    if (caller.expiresAtMs <= deps.clock.now().getTime()) {
      return [requestError('UNAUTHENTICATED', 'Token expired')];
    }
    if (admission.operation.operation === 'subscription') connection.operations.noteStream(id);
    const requestId = connection.nextRequestId();
    return {
      schema,
      document: admission.document,
      operationName: request.operationName,
      variableValues: request.variables,
      options: EXECUTION_OPTIONS,
      contextValue: operationContext(deps, { ...caller, requestId }),
      settle: admission.settle,
      toll: eventToll(admission.cost.estimate.objectCount, { ...deps, clientId: caller.clientId }),
    };
  } catch (error) {
    if (error instanceof MalformedRequest) return [requestError('BAD_REQUEST', error.message)];
    return [carried(error)];
  }
}

interface ShownParts {
  readonly data?: ExecutionResult['data'];
  readonly errors?: readonly GraphQLError[] | undefined;
}

/** A result as the client sees it; the first one tells what the operation cost. */
function shownResult(
  args: AdmittedArgs,
  { data, errors }: ShownParts,
  log: GraphqlDeps['log'],
): FormattedExecutionResult {
  const { requestId, moved: { orderId } } = args.contextValue;
  const cost = args.settle?.({
    dataJson: () => JSON.stringify(data), hasErrors: errors !== undefined,
  });
  args.settle = null;
  return {
    ...(errors === undefined ? {} : { errors: maskErrors(errors, { requestId, log, orderId }) }),
    ...(data === undefined ? {} : { data }),
    ...(cost === undefined ? {} : { extensions: { cost } }),
  };
}

async function executeOnce(args: ExecutionArgs): Promise<ExecutionResult> {
  try {
    return await execute(args);
  } catch (error) {
    return { errors: [carried(error)] };
  }
}

async function subscribe(
  args: ExecutionArgs,
  { deps }: SocketProtocolOptions,
): Promise<ResultIterator | ExecutionResult> {
  const context = args.contextValue as OperationContext;
  try {
    const { toll } = args as AdmittedArgs;
    return await subscribeFreshly(args, () => operationContext(deps, context), {
      clientId: context.clientId, toll, clock: deps.clock,
    });
  } catch (error) {
    return { errors: [carried(error)] };
  }
}

function isResultIterator(result: unknown): result is ResultIterator {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}
