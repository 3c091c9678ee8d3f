import { GraphQLError, OperationTypeNode } from 'graphql';
import type { Scope } from '../domain/access.ts';
import {
  isNeverAdmitted, RateLimited, type RateClass, type RateLimits, type RateVerdict,
} from '../domain/rate-limits.ts';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
import { actualPoints, giveBack, reportCost, returnUnused, type CostReport, type Taken }
  from './cost-report.ts';
import { requestError } from './errors.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import type { Allowed, Guard } from './guard.ts';
import type { Log } from './log.ts';
import type { Charge } from './operation-charge.ts';
import { scopeRefusal } from './scopes.ts';

export type Transport = 'POST' | 'GET' | 'SOCKET';

/** Who asks, and on which way. */
export interface Asking {
  readonly clientId: number;
  readonly scopes: readonly Scope[];
  readonly transport: Transport;
  /** Told what each limit said that was asked. */
  readonly onTaken?: (rateClass: RateClass, verdict: RateVerdict) => void;
}

/** An operation that may be executed now, or why not. */
export type Admission = Admitted | Refusal;

interface Refusal {
  readonly kind: 'REFUSED';
  readonly errors: readonly GraphQLError[];
  /** What the limits said, where they were asked. */
  readonly cost: CostReport | null;
}

export interface Admitted extends Allowed {
  /** To be called with the answer, or with its first part: what it cost. */
  settle(answer: Settled): CostReport;
}

/** What an operation brought. */
export interface Settled {
  readonly dataJson: () => string | undefined;
  /** Whether anything failed: then the data does not tell what was done. */
  readonly hasErrors: boolean;
}

/** An operation, or what is wrong with a request that brought none: it is refused, and counts. */
export type Admit = (
  request: GraphqlRequest | GraphQLError,
  asking: Asking,
) => Promise<Admission>;

interface AdmissionDeps {
  readonly rateLimits: RateLimits;
  readonly log: Log;
}

/** The whole way of a request up to its execution, the same for every transport. */
export function createAdmission(
  guard: Guard,
  deps: AdmissionDeps,
): Admit {
  return async (request, asking) => {
    if (request instanceof GraphQLError) return refuse([request], asking, deps);
    const verdict = guard(request);
    if (verdict.kind === 'REFUSED') {
      // Asked by a hash first, as clients do that know of it: no work, and no fault.
      const isUnknownHash = verdict.errors[0]?.extensions['code'] === 'PERSISTED_QUERY_NOT_FOUND';
      return isUnknownHash ? { ...verdict, cost: null }
        : refuse(verdict.errors, asking, deps);
    }
    const misuse = misuseOf(verdict, asking.transport) ?? scopeRefusal(verdict.operation, asking);
    if (misuse !== null) return refuse([misuse], asking, deps);
    const taken = await take(verdict.cost.charges, asking, deps);
    const last = taken.at(-1);
    if (last === undefined || last.verdict.isAdmitted) {
      const of = { taken, asking, deps };
      return { ...verdict, settle: (answer) => settle(verdict, { answer, ...of }) };
    }
    const report = (counted: readonly Taken[] = []): CostReport =>
      reportCost([...taken, ...counted], { requested: verdict.cost.points, actual: null });
    if (!isNeverAdmitted(last.verdict, last.count)) {
      return { kind: 'REFUSED', errors: [tooMany(last)], cost: report() };
    }
    // That it is refused counts as well: the limit stands as it does behind that.
    return refuse([tooMany(last)], asking, deps, report);
  };
}

/** Refused for what it is: that was work as well, and counts like the reading of something. */
async function refuse(
  errors: readonly GraphQLError[],
  asking: Asking,
  deps: AdmissionDeps,
  costOf: (counted: readonly Taken[]) => CostReport | null = () => null,
): Promise<Refusal> {
  const all = await take([{ class: 'read', count: 1 }], asking, deps)
    .catch((error: unknown) => {
      // What is wrong can be told without a database.
      if (error instanceof TemporarilyUnavailable) return [];
      throw error;
    });
  const [counted] = all;
  const isTooMany = counted !== undefined && !counted.verdict.isAdmitted;
  return { kind: 'REFUSED', errors: isTooMany ? [tooMany(counted)] : errors, cost: costOf(all) };
}

function tooMany(refused: Taken): GraphQLError {
  const { count, verdict } = refused;
  if (isNeverAdmitted(verdict, count)) {
    // To be told when to come back would be to be told so for ever.
    return requestError('LIMIT_EXCEEDED', `The operation may cost ${count} of the points that this`
      + ` client has ${verdict.limit} of a minute`);
  }
  const originalError = new RateLimited(refused.class, refused.verdict);
  return new GraphQLError(originalError.message, { originalError });
}

/** What a transport cannot do with an operation that another one executes, or null. */
function misuseOf(
  { operation: { operation } }: Allowed,
  transport: Transport,
): GraphQLError | null {
  if (transport === 'SOCKET' || operation === OperationTypeNode.QUERY) return null;
  if (operation === OperationTypeNode.SUBSCRIPTION) {
    return requestError('BAD_USER_INPUT', 'Subscriptions are served over the WebSocket');
  }
  return transport === 'POST'
    ? null
    : requestError('METHOD_NOT_ALLOWED', 'Mutations are executed by POST only');
}

/** Takes all charges, or puts back what was taken before the one that was refused. */
async function take(
  charges: readonly Charge[],
  { clientId, onTaken }: Asking,
  { rateLimits, log }: AdmissionDeps,
): Promise<readonly Taken[]> {
  const taken: Taken[] = [];
  for (const charge of charges) {
    const verdict = await rateLimits.take({ clientId, ...charge });
    taken.push({ ...charge, verdict });
    onTaken?.(charge.class, verdict);
    if (verdict.isAdmitted) continue;
    const before = taken.slice(0, -1);
    await Promise.all(before.map(({ class: rateClass, count }) =>
      giveBack({ clientId, class: rateClass, count }, { rateLimits, log })));
    break;
  }
  return taken;
}

/** What the operation cost; read points of a page that turned out shorter go back. */
function settle(
  { cost }: Allowed,
  of: {
    readonly answer: Settled;
    readonly taken: readonly Taken[];
    readonly asking: Asking;
    readonly deps: AdmissionDeps;
  },
): CostReport {
  const requested = cost.points;
  // A field that fails takes what was read beside it out of the data, and was read for nothing.
  const actual = of.answer.hasErrors ? requested : actualPoints(cost, of.answer.dataJson);
  const { taken, asking: { clientId, onTaken } } = of;
  const report = reportCost(taken, { requested, actual });
  if (actual < requested) {
    returnUnused(taken, { clientId, unused: requested - actual }, of.deps);
    const last = taken.at(-1);
    const remaining = report.throttleStatus?.currentlyAvailable;
    // Told again, as the headers of an answer are to say the same as its body.
    if (last !== undefined && remaining !== undefined) {
      onTaken?.(last.class, { ...last.verdict, remaining });
    }
  }
  return report;
}
