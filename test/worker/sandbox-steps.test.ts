import { expect, it } from 'vitest';
import { takeStep, type LogKind } from '../../src/demo/sandbox-steps.ts';

/** What the log says of a step, by what brought it to light. */
function linesOf(recipient: string, kind: LogKind) {
  const order = {
    supplierCode: 'sandbox-a', reference: '1-1-1', sku: 'pubg-uc-60', recipient, submitCount: 1,
    stepCount: 0, answer: null, isHeld: false, isDue: true,
  };
  const change = takeStep(order, kind, { delayScale: 1, nowMs: 0 });
  return [change.lines, change.callbacks.length];
}

const told = (outcome: string) => ({ kind: 'CALLBACK', outcome, effective: true });

it('a step of ending 23 is told by callback whoever brings it to light', () => {
  for (const kind of ['STATUS', 'SUBMIT'] as const) {
    const asked = { kind, outcome: 'PROCESSING', effective: false };
    expect(linesOf('5123456023', kind)).toEqual([[told('DELIVERED'), asked], 1]);
  }
  expect(linesOf('5123456023', 'CALLBACK')).toEqual([[told('DELIVERED')], 1]);
});

it('a step of another ending is told by the answer that brings it to light', () => {
  const asked = { kind: 'STATUS', outcome: 'DELIVERED', effective: true };
  expect(linesOf('5123456000', 'STATUS')).toEqual([[asked], 1]);
  expect(linesOf('5123456000', 'CALLBACK')).toEqual([[told('DELIVERED')], 1]);
});
