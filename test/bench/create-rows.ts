import { CLIENT_COUNT, type BenchDatabase, type BenchWorld } from './bench-world.ts';
import type { LoadPlan, LoadResult } from './http-load.ts';
import { floorOf, loadOf } from './load-process.ts';
import { rowAgainstFloor, rowAlone, type Row, type Sizes } from './rows.ts';

export const IN_FLIGHT = 64;

const INPUT = { player_id: '5123456789', server: 'asia' };
const REST_BODY = JSON.stringify({
  product_id: 4218, amount: 4.99, input_data: INPUT, client_reference: 'B-{n}',
});
const CREATE = `mutation ($input: CreateTopupOrderInput!) { createTopupOrder(input: $input) {
  order { orderId status charge { amount currency } } userErrors { code message } } }`;
const GRAPHQL_BODY = JSON.stringify({
  query: CREATE,
  variables: {
    input: {
      productId: 4218,
      amount: '4.99',
      inputData: Object.entries(INPUT).map(([name, value]) => ({ name, value })),
      clientReference: 'B-{n}',
    },
  },
});

const DOORS = {
  rest: { path: '/api/v1/topups/orders', body: REST_BODY, expects: '"status":"PENDING"' },
  graphql: { path: '/graphql', body: GRAPHQL_BODY, expects: '"userErrors":[]' },
};
type Door = keyof typeof DOORS;

let nextNumber = 1_000_000;

/** References of all loads of a run, none used twice. */
export function takeNumbers(): number {
  nextNumber += 1_000_000;
  return nextNumber;
}

export function createPlan(options: {
  readonly door: Door;
  readonly port: number;
  readonly tokens: readonly string[];
  readonly seconds: number;
  readonly pace?: number;
}): LoadPlan {
  const { path, body, expects } = DOORS[options.door];
  return {
    port: options.port,
    method: 'POST',
    targets: options.tokens.map((token) => ({ path, token })),
    body,
    expects,
    connections: IN_FLIGHT,
    seconds: options.seconds,
    pace: options.pace ?? null,
    firstNumber: takeNumbers(),
  };
}

/** Placing on one hot wallet and over a thousand, through both doors, next to the floor. */
export async function createRows(
  world: BenchWorld,
  of: {
    readonly database: BenchDatabase;
    readonly floorUrl: string;
    readonly tokens: readonly string[];
    readonly sizes: Sizes;
  },
): Promise<readonly Row[]> {
  const server = await world.startServer(of.database);
  const rates = new Map<string, number[]>();
  const note = (name: string, result: LoadResult): number => {
    if (result.wrong > 0) {
      throw new Error(`${name}: ${result.wrong} wrong answers, ${JSON.stringify(result.statuses)} `
        + result.firstWrong);
    }
    rates.set(name, [...rates.get(name) ?? [], result.perSecond]);
    return result.perSecond;
  };
  const { seconds } = of.sizes;
  const measure = async (kind: 'hot' | 'spread'): Promise<void> => {
    const clients = kind === 'hot' ? 1 : CLIENT_COUNT;
    const tokens = of.tokens.slice(0, clients);
    note(`floor-${kind}`, await floorOf({
      databaseUrl: of.floorUrl, kind: 'create', clients, connections: IN_FLIGHT, seconds,
      firstNumber: takeNumbers(),
    }));
    for (const door of ['graphql', 'rest'] as const) {
      const plan = createPlan({ door, port: server.port, tokens, seconds });
      note(`create-${kind}-${door}`, await loadOf(plan));
    }
  };
  await loadOf(createPlan({
    door: 'graphql', port: server.port, tokens: of.tokens, seconds: of.sizes.warmSeconds,
  }));
  for (let round = 0; round < of.sizes.rounds; round += 1) {
    await measure('hot');
    await measure('spread');
  }
  const half = await halfPeak(server.port, { ...of, rates });
  await server.stop();
  return [...rateRows(rates), ...half];
}

const TARGETS: Readonly<Record<string, string>> = {
  'create-hot-graphql': '>= 4 x',
  'create-hot-rest': '>= 7 x',
  'create-spread-graphql': '>= 1.5 x',
  'create-spread-rest': '>= 2.5 x',
};

function rateRows(rates: ReadonlyMap<string, readonly number[]>): readonly Row[] {
  return Object.entries(TARGETS).map(([name, target]) => rowAgainstFloor(
    { name, unit: 'orders/s', target },
    {
      ours: rates.get(name) ?? [],
      floor: rates.get(name.includes('hot') ? 'floor-hot' : 'floor-spread') ?? [],
    },
  ));
}

/** What one of a hundred waits at most, at half of what each door can do. */
async function halfPeak(
  port: number,
  of: {
    readonly tokens: readonly string[];
    readonly sizes: Sizes;
    readonly rates: ReadonlyMap<string, readonly number[]>;
  },
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const door of ['graphql', 'rest'] as const) {
    const pace = Math.max(...of.rates.get(`create-spread-${door}`) ?? []) / 2;
    const waits: number[] = [];
    for (let round = 0; round < of.sizes.rounds; round += 1) {
      const plan = createPlan({ door, port, tokens: of.tokens, seconds: of.sizes.seconds, pace });
      waits.push((await loadOf(plan)).p99Ms);
    }
    rows.push(rowAlone(
      { name: `create-half-peak-p99-${door}`, unit: 'ms', target: '<= 25 ms' }, waits,
    ));
  }
  return rows;
}
