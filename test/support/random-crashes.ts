import type { CrashPoint } from './crash-process.ts';
import { faultOf } from './crash-matrix.ts';
import { openCrashWorld, until } from './crash-world.ts';
import { placeOverRest } from './place-over-rest.ts';

const POINTS: readonly CrashPoint[] = [
  'PLACED', 'CLAIMED', 'HTTP_OPEN', 'HTTP_SENT', 'ANSWERED', 'RECORDED', 'CALLBACK_VERIFIED',
  'CALLBACK_RECORDED',
];
const ENDINGS = ['000', '002', '005', '007', '020', '023', '024', '025', '026', '027'] as const;
const ORDERS = 40;
const CRASHES = 3;
/** The job of a mail that a killed process had in hand is given up after 90 s, within a minute. */
const MAIL_WAIT_MS = 180_000;

/** Numbers from 0 to below `below`, the same for a seed every time. */
function dice(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/**
 * Three processes in a row, each of which kills itself somewhere in the middle of 40 orders; then
 * one that stays. Answers what is wrong with the orders.
 */
export async function runRandomCrashes(seed: number): Promise<readonly string[]> {
  const roll = dice(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[roll(items.length)] as Item;
  const world = await openCrashWorld({ deadlineMs: 400, leaseMs: 600 });
  try {
    await world.askForMail();
    const acknowledged: number[] = [];
    for (let crash = 1; crash <= CRASHES; crash += 1) {
      const child = await world.start('all',
        { at: pick(POINTS), how: 'SIGKILL', count: 1 + roll(30) });
      await world.sendCallbacksTo([child.url]);
      const isGone = { current: false };
      void child.exited.then(() => { isGone.current = true; });
      await Promise.all(Array.from({ length: ORDERS }, async (_, index) => {
        const ending = pick(ENDINGS);
        const id = await placeOverRest(child.url, {
          token: world.token,
          reference: `${ending}-${crash}-${index}`,
          productId: 4218,
          amount: '0.99',
          inputData: { player_id: `5123456${ending}`, server: 'asia' },
        });
        if (id !== null) acknowledged.push(id);
      }));
      await until(async () => isGone.current
        || (await world.orders()).every(({ status }) => status !== 'PENDING'), 20_000);
      await child.kill();
    }
    const last = await world.start('all');
    await world.sendCallbacksTo([last.url]);
    await world.untilEnded(30_000);
    await until(() => world.isSettled(), 30_000, 'the last callback');
    const orders = await world.orders();
    const ids = new Set(orders.map(({ id }) => Number(id)));
    return [
      ...acknowledged.filter((id) => !ids.has(id)).map((id) => `${id} is not there`),
      ...orders.flatMap((order) => {
        const fault = faultOf(order, order.recipient.slice(-3));
        return fault === null ? [] : [`${order.client_reference}: ${fault}`];
      }),
      ...await world.mailFaults(MAIL_WAIT_MS),
      ...(await world.violations()).map((violation) => JSON.stringify(violation)),
    ];
  } finally {
    await world.close();
  }
}
