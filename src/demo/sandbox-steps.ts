import { createHash, randomUUID } from 'node:crypto';

import { behaviourOf, type Behaviour, type Step } from './sandbox-behaviour.ts';

export interface Answer {
  readonly reference: string;
  readonly status: string;
  readonly code?: string;
  readonly receipt?: Readonly<Record<string, string>>;
}

export type LogKind = 'SUBMIT' | 'STATUS' | 'CALLBACK';

/** An order in the books, read under its row lock. */
export interface BookedOrder {
  readonly supplierCode: string;
  readonly reference: string;
  readonly sku: string;
  readonly recipient: string;
  readonly submitCount: number;
  readonly stepCount: number | null;
  readonly answer: Answer | null;
  readonly isHeld: boolean;
  readonly isDue: boolean;
}

/** An order's next state, with the log lines and callbacks that go with it. */
export interface Change extends Omit<BookedOrder, 'isDue'> {
  readonly dueInMs: number | null;
  readonly lines: readonly {
    readonly kind: LogKind; readonly outcome: string; readonly effective: boolean;
  }[];
  readonly callbacks: readonly {
    readonly eventId: string; readonly body: string; readonly sendsLeft: number;
    /** When the next step is due, from when this one was taken; null where none waits for it. */
    readonly sequelInMs: number | null;
  }[];
}

export interface Circumstances {
  readonly delayScale: number;
  readonly nowMs: number;
}

/** Accepts a new order, with all that happens at once. The caller's answer may be another. */
export function acceptOrder(
  order: Pick<BookedOrder, 'supplierCode' | 'reference' | 'sku' | 'recipient' | 'submitCount'>,
  circumstances: Circumstances,
): Change {
  const behaviour = behaviourOf(order);
  const firstLate = behaviour.steps.findIndex(({ afterMs }) => afterMs > 0);
  const stepCount = firstLate === -1 ? behaviour.steps.length : firstLate;
  const atOnce = behaviour.steps.slice(0, stepCount);
  const answer = answerAfter(order.reference, behaviour, stepCount);
  const repeats = behaviour.callbackCount > 1 ? atOnce : [];
  return {
    ...order,
    stepCount,
    answer,
    isHeld: behaviour.isHeld,
    dueInMs: dueInMs(behaviour, stepCount, circumstances),
    lines: [
      {
        kind: 'SUBMIT',
        outcome: behaviour.firstAnswer ?? answer.status,
        effective: atOnce.some(isEffective),
      },
      // Told again by callbacks, each with its line, which has no effect any more.
      ...repeats.flatMap(({ status }) => Array.from({ length: behaviour.callbackCount }, () => (
        { kind: 'CALLBACK' as const, outcome: status, effective: false }
      ))),
    ],
    callbacks: repeats.map((step) => ({
      ...callbackOf(order.reference, step, behaviour, circumstances), sequelInMs: null,
    })),
  };
}

/** Takes an accepted order one step further. `kind` tells what brought the step to light. */
export function takeStep(
  order: BookedOrder & { readonly stepCount: number },
  kind: LogKind,
  circumstances: Circumstances,
): Change {
  const behaviour = behaviourOf(order);
  const step = behaviour.steps[order.stepCount];
  if (step === undefined) throw new Error(`Order ${order.reference} has no step left`);
  const stepCount = order.stepCount + 1;
  const answer = answerAfter(order.reference, behaviour, stepCount);
  // A step that is told twice has two lines; one that nobody is told has its line too.
  const told = { kind: 'CALLBACK' as const, outcome: step.status };
  const tellings = Array.from({ length: Math.max(behaviour.callbackCount, 1) }, () => told);
  // A question that is told nothing of the step brings it to light by callback alone.
  const isUntold = kind !== 'CALLBACK' && behaviour.isHiddenFromQueries;
  const asked = kind === 'CALLBACK' ? [] : [{ kind, outcome: answer.status }];
  const lines = kind === 'CALLBACK' || isUntold ? [...tellings, ...asked] : asked;
  const sequelInMs = dueInMs(behaviour, stepCount, circumstances);
  const isToldByCallback = behaviour.callbackCount > 0;
  return {
    ...order,
    stepCount,
    answer,
    // News that is old before it is heard would never be heard: the next step waits until then.
    dueInMs: isToldByCallback ? null : sequelInMs,
    lines: lines.map((line, at) => ({ ...line, effective: at === 0 && isEffective(step) })),
    callbacks: isToldByCallback
      ? [{ ...callbackOf(order.reference, step, behaviour, circumstances), sequelInMs }]
      : [],
  };
}

function isEffective(step: Step): boolean {
  return step.status === 'DELIVERED';
}

function dueInMs(
  behaviour: Behaviour,
  stepCount: number,
  circumstances: Circumstances,
): number | null {
  const next = behaviour.steps[stepCount];
  return next === undefined ? null : next.afterMs * circumstances.delayScale;
}

function answerAfter(reference: string, behaviour: Behaviour, stepCount: number): Answer {
  const done = behaviour.steps[stepCount - 1];
  return done === undefined || behaviour.isHiddenFromQueries
    ? { reference, status: 'PROCESSING' }
    : { reference, ...newsOf(reference, done, behaviour) };
}

function newsOf(reference: string, step: Step, behaviour: Behaviour): Omit<Answer, 'reference'> {
  const hasReceipt = behaviour.hasReceipt && step.status === 'DELIVERED';
  return {
    status: step.status,
    ...(step.code === null ? {} : { code: step.code }),
    ...(hasReceipt ? { receipt: receiptOf(reference) } : {}),
  };
}

/** The same for every repeat of one reference. */
function receiptOf(reference: string): Record<string, string> {
  const digest = createHash('sha256').update(reference).digest();
  const pin = String(digest.readUIntBE(0, 6)).padStart(12, '0').slice(-12);
  return { pin, serial: `SB${digest.subarray(6, 11).toString('hex').toUpperCase()}` };
}

function callbackOf(
  reference: string,
  step: Step,
  behaviour: Behaviour,
  circumstances: Circumstances,
): Omit<Change['callbacks'][number], 'sequelInMs'> {
  const eventId = randomUUID();
  const body = JSON.stringify({
    event_id: eventId,
    reference,
    ...newsOf(reference, step, behaviour),
    occurred_at: new Date(circumstances.nowMs).toISOString(),
  });
  return { eventId, body, sendsLeft: behaviour.callbackCount };
}
