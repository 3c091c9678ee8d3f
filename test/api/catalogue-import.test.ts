import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { importFile } from '../../src/import-command.ts';
import { rest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalogue-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Told {
  readonly isDone: boolean;
  readonly out: string;
  readonly err: string;
}

/** Imports these lines as the command does, and what it says. */
async function run(lines: readonly (object | string | Buffer)[]): Promise<Told> {
  const path = join(folder, randomUUID());
  const parts = lines.map((line) => Buffer.isBuffer(line) ? line
    : Buffer.from(typeof line === 'string' ? line : JSON.stringify(line)));
  await writeFile(path, Buffer.concat(parts.flatMap((part) => [part, Buffer.from('\n')])));
  return runFile(path);
}

async function runFile(path: string): Promise<Told> {
  const told = { out: '', err: '' };
  const stream = (name: 'out' | 'err') =>
    ({ write: (text: string) => { told[name] += text; }, isTTY: false }) as never;
  const { ownerDatabaseUrl } = world().database;
  const isDone = await importFile(path, ownerDatabaseUrl, {
    out: stream('out'), err: stream('err'),
  });
  return { isDone, ...told };
}

const product = (over: object = {}) => ({
  kind: 'product', id: 9001, name: 'Free Fire', topup_type: 'GAMING', country_code: 'GLO',
  currency_code: 'USD', operator: 'Garena', input_fields: [
    { name: 'player_id', label: 'Player ID', type: 'text', required: true, pattern: '^[0-9]+$' },
  ],
  ...over,
});
const PHONE = { name: 'phone_number', label: 'Phone', type: 'phone', required: true };
const withField = (over: object) => product({
  input_fields: [{ name: 'x', label: 'x', type: 'text', required: true, ...over }],
});
const variant = (over: object = {}) => ({
  kind: 'variant', id: 9101, product_id: 9001, name: '100 Diamonds', fixed_amounts: ['1.10'],
  offers: [{ supplier: 'sandbox-a', sku: 'ff-100' }], ...over,
});

const versionOf = async () => {
  const [row] = await world().database.query<{ version: string }>(
    'select version from pricing_version');
  return Number(row?.version);
};
const create = (over: object = {}) => rest.create(world(), 1, {
  product_id: 9001, amount: '1.10', input_data: { player_id: '77' }, ...over,
});

describe('an import', () => {
  test('is seen by the running program within a second, and sold', async () => {
    const told = await run([product(), variant()]);
    expect(told).toEqual({ isDone: true, out: 'Imported 1 products and 1 variants.\n', err: '' });
    await expect.poll(
      () => world().parts.store.pricing().product(9001)?.name, { timeout: 1000 },
    ).toBe('Free Fire');
    expect(await create())
      .toMatchObject({ order: { amount: '1.045', variantName: '100 Diamonds' } });
  });

  test('touches nothing that is the same, and counts versions of the form', async () => {
    await run([product(), variant()]);
    const before = await world().database.query('select xmin, * from variant where id = 9101');
    await run([product(), variant()]);
    expect(await world().database.query('select xmin, * from variant where id = 9101'))
      .toEqual(before);
    const formVersion = async () => (await world().database.query<{ v: number }>(
      'select input_fields_version as v from product where id = 9001'))[0]?.v;
    expect(await formVersion()).toBe(1);
    await run([product({ input_fields: [] })]);
    expect(await formVersion()).toBe(2);
    await run([product()]);
  });

  test('replaces the offers of a variant, and prefixes where they are named', async () => {
    const offers = [{ supplier: 'sandbox-b', sku: 'b' }, { supplier: 'sandbox-a', sku: 'a' }];
    await run([variant({ offers })]);
    await run([variant({ offers: offers.toReversed() })]);
    expect(await world().database.query(`select route, supplier_id::int, supplier_sku from offer
      where variant_id = 9101 order by route`)).toEqual([
      { route: 1, supplier_id: 1, supplier_sku: 'a' },
      { route: 2, supplier_id: 2, supplier_sku: 'b' },
    ]);
    await run([variant({ offers: [] })]);
    await world().parts.store.refreshPricing();
    expect(await create()).toMatchObject({ message: 'This amount is temporarily out of stock' });
    const mobile = product({
      id: 9002, topup_type: 'MOBILE', country_code: 'DEU', input_fields: [PHONE],
    });
    const prefixes = () => world().database.query('select prefix from operator_prefix where'
      + ' product_id = 9002 order by prefix');
    await run([{ ...mobile, prefixes: ['+49151', '+49160'] }]);
    await run([{ ...mobile, prefixes: ['+49160', '+49170'] }]);
    await run([mobile]);
    expect(await prefixes()).toEqual([{ prefix: '+49160' }, { prefix: '+49170' }]);
    await run([variant({ fixed_amounts: ['10', '5', '5.00', '5.0', '1.10'] })]);
    expect(await world().database.query('select fixed_amounts from variant where id = 9101'))
      .toMatchObject([{ fixed_amounts: { length: 3 } }]);
    await run([product({ id: 9006, country_code: 'XKK' })]);
    expect(await world().database.query('select country_code from product where id = 9006'))
      .toEqual([{ country_code: 'XKX' }]);
  });

  test('says what a variant costs, and takes it back', async () => {
    await run([variant({ cost_percent: '95.5' })]);
    await world().parts.store.refreshPricing();
    expect(await create()).toMatchObject({ message: 'Amount 1.1 is not available' });
    await run([variant()]);
    await world().parts.store.refreshPricing();
    expect(await create()).toMatchObject({ order: { amount: '1.045' } });
  });

  test('tells all that is wrong, by line, and changes nothing', async () => {
    const version = await versionOf();
    const { isDone, err } = await run([
      product({ name: 'Renamed' }), '{', '', product(), variant({ fixed_amounts: ['1.00001'] }),
      variant({ id: 9102, fixed_amounts: [], min_amount: '1' }), { kind: 'price' },
      product({ id: 9003, colour: 'red', country_code: 'ZZZ' }),
      product({ id: 9004, input_fields: [{ name: 'x', label: 'x', type: 'text', required: true,
        pattern: '(a+)+$' }] }),
      product({ id: 9005, prefixes: ['+49'] }), variant({ id: '9103' }),
      variant({ id: 9104, fixed_amounts: ['0'] }), variant({ id: 9105, min_amount: '5',
        max_amount: '1', amount_step: '1' }), variant({ id: 9108, fixed_amounts: [] }),
      variant({ id: 9109, cost_percent: '1000.1' }),
    ]);
    expect(isDone).toBe(false);
    for (const problem of [
      /^line 2: is no JSON object$/m, /^line 4: product 9001 stands in line 1 already$/m,
      /^line 5: fixed_amounts.0: must be text like "4.99", at most 4 decimals$/m,
      /^line 6: min_amount: goes together/m, /^line 7: kind/m,
      /^line 8: .*colour/m, /^line 8: country_code: is no country/m,
      /^line 9: input_fields.0.pattern: can match one text in several ways/m,
      /^line 10: prefixes: belong to MOBILE/m, /^line 11: id/m,
      /^line 12: fixed_amounts.0: must be more than 0$/m, /^line 13: min_amount: is over max/m,
      /^line 14: fixed_amounts: or a range/m, /^line 15: cost_percent: must be at most 1000$/m,
      /Nothing was imported\.\n$/,
    ]) expect(err).toMatch(problem);
    expect(err).not.toMatch(/^line (1|3): /m);
    expect(await versionOf()).toBe(version);
  });

  test('tells what neither it nor the database has, and takes all of it back', async () => {
    const version = await versionOf();
    const { isDone, err } = await run([
      product({ name: 'Renamed' }), product({ id: 9006, currency_code: 'ZZZ' }),
      variant({ id: 9106, product_id: 1 }),
      variant({ id: 9107, offers: [{ supplier: 'nobody', sku: 'x' }] }),
    ]);
    expect(isDone).toBe(false);
    expect(err).toBe('line 2: currency_code: ZZZ is no currency\n'
      + 'line 3: product_id: there is no product 1\nline 4: offers: there is no supplier nobody\n'
      + 'Nothing was imported.\n');
    expect(await versionOf()).toBe(version);
    const renamed = "select 1 from product where name = 'Renamed'";
    expect(await world().database.query(renamed)).toEqual([]);
  });

  const nul = 'has a NUL or half of a character';
  const noAmount = 'must be text like "4.99", at most 4 decimals';
  const noNumber = 'input_fields: of a MOBILE product begin with phone_number, a required phone';
  const mobile = (field: object) => product({ topup_type: 'MOBILE', input_fields: [field] });
  test.each<[object, string]>([
    [product({ name: 'a\0b' }), `name: ${nul}`],
    [product({ name: '\ud800' }), `name: ${nul}`],
    [product({ image_url: 'https://a.test/\0' }), `image_url: ${nul}`],
    [withField({ label: '\udc00' }), `input_fields.0.label: ${nul}`],
    [withField({ pattern: '\0' }), `input_fields.0.pattern: ${nul}`],
    [withField({ placeholder: '\0' }), `input_fields.0.placeholder: ${nul}`],
    [withField({ help_text: '\0' }), `input_fields.0.help_text: ${nul}`],
    [variant({ fields: { a: '\0' } }), `fields.a: ${nul}`],
    [variant({ fields: { '\0': 'a' } }), 'fields.?: Invalid key in record'],
    [variant({ offers: [{ supplier: 'sandbox-a', sku: '\0' }] }), `offers.0.sku: ${nul}`],
    [variant({ fixed_amounts: ['1.2.3'] }), `fixed_amounts.0: ${noAmount}`],
    [variant({ min_amount: 'one', max_amount: '2', amount_step: '1' }), `min_amount: ${noAmount}`],
    [mobile({ ...PHONE, name: 'player_id' }), noNumber],
    [mobile({ ...PHONE, type: 'text' }), noNumber],
    [mobile({ ...PHONE, required: false }), noNumber],
    [withField({ name: 'constructor' }), 'input_fields.0.name: may not be constructor'],
    [withField({ type: 'select', options: ['a', 'a '].map((value) => ({ value, label: value })) }),
      'input_fields.0.options: have a value twice'],
    [withField({ min_length: 6, max_length: 5 }), 'input_fields.0.min_length: is over max_length'],
    [withField({ pattern: '[0-9]+', max_length: 129 }),
      'input_fields.0.max_length: is over 128, which no value with a pattern may be'],
    [withField({ pattern: '[0-9]+', min_length: 129 }),
      'input_fields.0.min_length: is over 128, which no value with a pattern may be'],
    [variant({ offers: ['a', 'b'].map((sku) => ({ supplier: 'sandbox-a', sku })) }),
      'offers: have a supplier twice'],
    [product({ '\nline 2: \u001b[2J\u2028\ud800': 1 }),
      'Unrecognized key: "?line 2: ?[2J??"'],
    [product({ ['x'.repeat(1000)]: 1 }), `Unrecognized key: "${'x'.repeat(381)}…`],
    [product({ help: 'x'.repeat(1024 * 1024) }), 'is over 1 MB long'],
  ])('refuses a line in words that fit in one, number %#', async (line, why) => {
    expect(await run([line]))
      .toEqual({ isDone: false, out: '', err: `line 1: ${why}\nNothing was imported.\n` });
  });

  test('gives up over a file of another kind', async () => {
    const told = await run(['1\n'.repeat(100_000)]);
    expect(told.err).toMatch(/line 50: is no JSON object\nand at least 950 more\nNothing/);
    const prefixes = Array<number>(200_000).fill(1);
    const { err } = await run([product({ topup_type: 'MOBILE', prefixes })]);
    expect(err).toMatch(/and at least 950 more\nNothing was imported\.\n$/);
  });

  test('refuses a file that is too large to be held', async () => {
    const path = join(folder, 'large');
    await writeFile(path, '');
    // No disk is taken for what was never written.
    await truncate(path, 600 * 1024 * 1024);
    expect(await runFile(path)).toEqual({
      isDone: false,
      out: '',
      err: 'The file is over 64 MB: import it in parts, products before their variants.\n'
        + 'Nothing was imported.\n',
    });
  });

  test('refuses what is not UTF-8, or is not there', async () => {
    expect(await run([product(), Buffer.from([0x7b, 0xff, 0x7d])])).toEqual({
      isDone: false, out: '', err: 'line 2: is not all UTF-8\nNothing was imported.\n',
    });
    const { isDone, err } = await runFile('/nowhere');
    expect(isDone).toBe(false);
    expect(err).toMatch(/cannot be read: ENOENT/);
  });

  test('makes no order fail while it goes on', async () => {
    const many = Array.from({ length: 2000 }, (_, n) => variant({ id: 100_000 + n,
      fixed_amounts: [`${n + 2}`] }));
    let isOver = false;
    const answers: string[] = [];
    const orders = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const answer = await rest.create(world(), 1, {
          product_id: 4218, amount: '0.99', input_data: { player_id: '5123456', server: 'asia' },
        });
        answers.push('refused' in answer ? `${answer.refused} ${answer.message}` : 'placed');
      }
    });
    for (const name of ['Free Fire', 'Free Fire 2']) await run([product({ name }), ...many]);
    isOver = true;
    await Promise.all(orders);
    expect(new Set(answers)).toEqual(new Set(['placed']));
  });
});
