import type { Crash, CrashPoint } from './crash-process.ts';
import {
  openCrashWorld, until, type Child, type CrashWorld, type OrderRow,
} from './crash-world.ts';
import { placeOverRest } from './place-over-rest.ts';

/** Crash points × supplier behaviours: each cell is one order whose process is killed there. */

export interface MatrixRow {
  readonly at: Exclude<CrashPoint, 'HTTP_OPEN'>;
  readonly behaviours: readonly Behaviour[];
}

export interface Behaviour {
  readonly name: string;
  readonly product: 'GAME' | 'GAME_TWO_ROUTES' | 'IN_REQUEST';
  readonly ending: string;
}

export interface Cell {
  readonly behaviour: string;
  /** Stood at the crash point when its process was killed, rather than having ended before. */
  readonly wasHeld: boolean;
  readonly isAcknowledged: boolean;
  readonly order: OrderRow | null;
  /** What is wrong with how it ended; null where all is right. */
  readonly fault: string | null;
}

const game = (ending: string): Behaviour => ({ name: ending, product: 'GAME', ending });
const inRequest = (ending: string): Behaviour =>
  ({ name: `4219/${ending}`, product: 'IN_REQUEST', ending });
const FAIL_OVER: Behaviour = { name: '660 UC/012', product: 'GAME_TWO_ROUTES', ending: '012' };
const GAMES = ['000', '002', '005', '007', '020', '023', '024', '025', '026', '027'].map(game);
const CALLED_BACK = ['000', '020', '023', '024', '025', '026', '027'].map(game);
const IN_REQUEST = ['000', '002', '005', '007', '020', '026', '027'].map(inRequest);

const ALL = [...GAMES, FAIL_OVER, ...IN_REQUEST];

export const MATRIX: readonly MatrixRow[] = [
  { at: 'PLACED', behaviours: ALL },
  { at: 'CLAIMED', behaviours: ALL },
  { at: 'HTTP_SENT', behaviours: ALL },
  { at: 'ANSWERED', behaviours: ALL },
  { at: 'RECORDED', behaviours: ALL },
  { at: 'CALLBACK_VERIFIED', behaviours: CALLED_BACK },
  { at: 'CALLBACK_RECORDED', behaviours: CALLED_BACK },
];

// A lease outlives the call; both are far above what a call takes on a busy machine.
const TIMINGS = { deadlineMs: 400, leaseMs: 600 };
/** Polls are seldom enough for callbacks to come first. */
const SELDOM_MS = [1000];
const NO_CONNECTION =
  /exceeded when trying to connect|due to connection timeout|The service is restarting/;
const HELD_MS_MAX = 60_000;
const ENDED_MS_MAX = 60_000;

/**
 * One row: places an order for each behaviour, kills the process when each order stands at the
 * point (for the `count`-th time) or has ended, and lets a fresh process take over.
 */
export async function runMatrixRow(row: MatrixRow, count: number): Promise<readonly Cell[]> {
  const world = await openCrashWorld(
    row.at.startsWith('CALLBACK') ? { ...TIMINGS, backoffMs: SELDOM_MS } : TIMINGS,
  );
  try {
    const crash: Crash = { at: row.at, how: 'HOLD', count };
    const first = await world.start('all', crash);
    await world.sendCallbacksTo([first.url]);
    const answers = sendAll(world, first, row.behaviours);
    await until(() => isAtRest(world, first, row), HELD_MS_MAX, row.at);
    const held = new Set(first.held);
    await first.kill();
    const acknowledged = new Set((await Promise.all(answers)).filter((id) => id !== null));

    const second = await world.start('all');
    await world.sendCallbacksTo([second.url]);
    await world.untilEnded(ENDED_MS_MAX);
    await until(() => world.isSettled(), ENDED_MS_MAX, 'the last callback');
    const orders = new Map((await world.orders()).map((order) => [order.client_reference, order]));
    const ids = new Set([...orders.values()].map(({ id }) => Number(id)));
    const lost = [...acknowledged].filter((id) => !ids.has(id));
    if (lost.length > 0) throw new Error(`Acknowledged and not there: ${lost.join()}`);
    const violations = await world.violations();
    if (violations.length > 0) throw new Error(`Invariants: ${JSON.stringify(violations)}`);
    // The matrix starts more processes at once than the machine has cores: that a connection took
    // its two seconds is told in the log, tried again, and no fault of what is tested.
    const faults = second.faults.join('\n').split('\n')
      .filter((line) => line !== '' && !NO_CONNECTION.test(line)).join('\n');
    if (faults !== '') throw new Error(`The second process had a fault: ${faults}`);
    return row.behaviours.map(({ name, ending }) => {
      const order = orders.get(name) ?? null;
      const id = Number(order?.id);
      return {
        behaviour: name,
        wasHeld: held.has(id),
        isAcknowledged: acknowledged.has(id),
        order,
        fault: order === null ? 'is not there' : faultOf(order, ending),
      };
    });
  } finally {
    await world.close();
  }
}

/** Every order is there and stands at the point or has ended. */
async function isAtRest(world: CrashWorld, child: Child, row: MatrixRow): Promise<boolean> {
  const orders = await world.orders();
  // An order may have ended by a poll before its callback comes.
  if (row.at.startsWith('CALLBACK')) return child.held.size === row.behaviours.length;
  return orders.length === row.behaviours.length
    && orders.every(({ id, status }) => status !== 'PENDING' || child.held.has(Number(id)));
}

function sendAll(
  world: CrashWorld,
  child: Child,
  behaviours: readonly Behaviour[],
): Promise<number | null>[] {
  return behaviours.map(({ name, product, ending }) => {
    const player = `5123456${ending}`;
    const sent = { token: world.token, reference: name };
    return placeOverRest(child.url, product === 'IN_REQUEST'
      ? { ...sent, productId: 4219, amount: '1.99',
        inputData: { player_id: player, zone_id: '1234' } }
      : { ...sent, productId: 4218, amount: product === 'GAME' ? '4.99' : '9.99',
        inputData: { player_id: player, server: 'asia' } });
  });
}

/** What the supplier's log and our books must say of an order at its end. */
export function faultOf(order: OrderRow, ending: string): string | null {
  const { status, effects, cases } = order;
  const told = `${status}, ${effects} effects, cases ${cases.join()}`;
  const is = (wanted: string, count: number, kinds = ''): boolean =>
    status === wanted && effects === count && cases.join() === kinds;
  switch (ending) {
    case '002':
      return is('FAILED', 0) ? null : told;
    case '025':
      // It contradicts itself, once the first news was taken: that counts, the other is a case.
      return is('FAILED', 1, 'LATE_SUCCESS') ? null : told;
    case '027':
      return is('DELIVERED', 1, 'REVERSAL') ? null : told;
    default:
      return is('DELIVERED', 1) ? null : told;
  }
}
