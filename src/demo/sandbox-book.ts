import type { ClientBase, Pool } from 'pg';

import { behaviourOf, type Refusal } from './sandbox-behaviour.ts';
import {
  insertOrders, keyOf, lockDueOrders, lockOrders, logAnswers, readAnswers, releaseOrders,
  untilNextStepMs, updateOrders, type FoundAnswer, type OrderKey,
} from './sandbox-orders.ts';
import {
  acceptOrder, takeStep, type Answer, type BookedOrder, type Change, type Circumstances,
  type LogKind,
} from './sandbox-steps.ts';
import { together } from './sandbox-together.ts';

/** What the submitting caller gets; without an answer the connection is cut. */
export type SubmitReply =
  | { readonly kind: 'ANSWER'; readonly answer: Answer }
  | { readonly kind: Refusal };

export interface OrderToSubmit {
  readonly supplierCode: string;
  readonly reference: string;
  readonly sku: string;
  readonly recipient: string;
}

export interface SandboxBook {
  /** Takes an order at most once; whatever it answers is committed before. */
  submit(order: OrderToSubmit): Promise<SubmitReply>;
  query(supplierCode: string, reference: string): Promise<Answer | null>;
  /** Lets a held order go; null where the reference is not known. */
  release(reference: string): Promise<Answer | null>;
  /** Takes the steps that are due; answers the milliseconds until the next one, if one is known. */
  takeDueSteps(): Promise<number | null>;
}

const DUE_ORDERS_MAX = 500;
/** Calls that share a commit. */
const TOGETHER_MAX = 128;

/** `onLater` is called when a step or a callback is to come. */
export function createSandboxBook(options: {
  readonly pool: Pool;
  readonly delayScale: number;
  readonly nowMs: () => number;
  readonly onLater: () => void;
}): SandboxBook {
  const { pool, delayScale, nowMs, onLater } = options;
  const circumstances = (): Circumstances => ({ delayScale, nowMs: nowMs() });
  const insert = together(TOGETHER_MAX, (changes: readonly Change[]) => (
    insertOrders(pool, changes)
  ));
  const read = together<OrderKey, FoundAnswer>(TOGETHER_MAX, (keys) => readAnswers(pool, keys));
  const settleAsked = together<OrderKey, Answer | null>(TOGETHER_MAX, (keys) => (
    inTransaction(pool, (client) => settleKeys(client, keys, 'STATUS', circumstances()))
  ));
  return {
    async submit(order) {
      const first = submitAnew({ ...order, submitCount: 1 }, circumstances());
      if (await insert(first.change)) {
        if (hasSequel(first.change)) onLater();
        return first.reply;
      }
      const reply = await inTransaction(pool, (client) => (
        submitAgain(client, order, circumstances())
      ));
      onLater();
      return reply;
    },

    async query(supplierCode, reference) {
      const found = await read({ supplierCode, reference });
      if (!found.isDue) return found.answer;
      const answer = await settleAsked({ supplierCode, reference });
      onLater();
      return answer;
    },

    async release(reference) {
      const answers = await inTransaction(pool, async (client) => {
        const supplierCodes = await releaseOrders(client, reference);
        const keys = supplierCodes.map((supplierCode) => ({ supplierCode, reference }));
        return settleKeys(client, keys, 'CALLBACK', circumstances());
      });
      onLater();
      return answers.at(-1) ?? null;
    },

    async takeDueSteps() {
      const { nextMs, isSequel } = await inTransaction(pool, async (client) => {
        const due = await lockDueOrders(client, DUE_ORDERS_MAX);
        const changes = due.filter(isAccepted).map((order) => (
          takeStep(order, 'CALLBACK', circumstances())
        ));
        if (changes.length > 0) await updateOrders(client, changes);
        return { nextMs: await untilNextStepMs(client), isSequel: changes.some(hasSequel) };
      });
      if (isSequel) onLater();
      return nextMs;
    },
  };
}

/** A repeat of a reference that is in the books. */
async function submitAgain(
  client: ClientBase,
  order: OrderToSubmit,
  circumstances: Circumstances,
): Promise<SubmitReply> {
  const [known] = await lockOrders(client, [order]);
  if (known === undefined) throw new Error('An order is gone from the books');
  if (isAccepted(known)) {
    const [answer] = await settle(client, [known], 'SUBMIT', circumstances);
    return { kind: 'ANSWER', answer: answer ?? processing(order.reference) };
  }
  const submitCount = known.submitCount + 1;
  const { change, reply } = submitAnew({ ...known, submitCount }, circumstances);
  await updateOrders(client, [change]);
  return reply;
}

/** Locks orders and settles them; null for what is not known. */
async function settleKeys(
  client: ClientBase,
  keys: readonly OrderKey[],
  kind: LogKind,
  circumstances: Circumstances,
): Promise<readonly (Answer | null)[]> {
  const orders = await lockOrders(client, keys);
  const answers = await settle(client, orders, kind, circumstances);
  const known = new Map(orders.map((order, at) => [keyOf(order), answers[at] ?? null]));
  // Who asks for one reference in the same moment shares its line of the log.
  return keys.map((key) => known.get(keyOf(key)) ?? null);
}

/** Takes the steps of locked orders that are due, and logs what is answered of the others. */
async function settle(
  client: ClientBase,
  orders: readonly BookedOrder[],
  kind: LogKind,
  circumstances: Circumstances,
): Promise<readonly (Answer | null)[]> {
  const changes = orders.map((order) => (
    order.isDue && isAccepted(order) ? takeStep(order, kind, circumstances) : null
  ));
  const made = changes.filter((change) => change !== null);
  if (made.length > 0) await updateOrders(client, made);
  const others = orders.filter((_, at) => changes[at] === null);
  // A release that changes nothing yet is no news.
  if (kind !== 'CALLBACK' && others.length > 0) await logAnswers(client, others, kind);
  return orders.map((order, at) => (changes[at] ?? order).answer);
}

function isAccepted(order: BookedOrder): order is BookedOrder & { readonly stepCount: number } {
  return order.stepCount !== null;
}

/** A submit of an order that has not been accepted yet: refused by its behaviour, or accepted. */
function submitAnew(
  order: OrderToSubmit & { readonly submitCount: number },
  circumstances: Circumstances,
): { readonly change: Change; readonly reply: SubmitReply } {
  const behaviour = behaviourOf(order);
  const refusal = behaviour.refusals[order.submitCount - 1];
  const { supplierCode, reference, sku, recipient, submitCount } = order;
  const refused = (outcome: string): Change => ({
    supplierCode, reference, sku, recipient, submitCount,
    stepCount: null, answer: null, isHeld: false, dueInMs: null,
    lines: [{ kind: 'SUBMIT', outcome, effective: false }],
    callbacks: [],
  });
  if (refusal !== undefined) return { change: refused(refusal), reply: { kind: refusal } };
  if (behaviour.refusalCode !== null) {
    const answer = { reference, status: 'REJECTED', code: behaviour.refusalCode };
    return { change: refused(answer.status), reply: { kind: 'ANSWER', answer } };
  }
  const change = acceptOrder(
    { supplierCode, reference, sku, recipient, submitCount },
    circumstances,
  );
  if (behaviour.firstAnswer === 'CONNECTION_LOST') {
    return { change, reply: { kind: 'CONNECTION_LOST' } };
  }
  const answer = behaviour.firstAnswer === null
    ? change.answer ?? processing(reference)
    : { reference, status: behaviour.firstAnswer };
  return { change, reply: { kind: 'ANSWER', answer } };
}

function hasSequel(change: Change): boolean {
  return change.dueInMs !== null || change.callbacks.length > 0;
}

function processing(reference: string): Answer {
  return { reference, status: 'PROCESSING' };
}

async function inTransaction<T>(
  pool: Pool,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  // A connection that dies between two statements fails the next one; unheard, it ends the process.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  let fault: unknown;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    fault = error;
    throw error;
  } finally {
    // After a fault the connection may be inside a transaction, or lost: it is not used again.
    client.off('error', ignore);
    client.release(fault !== undefined);
  }
}
