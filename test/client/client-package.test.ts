import { execFile } from 'node:child_process';
import {
  mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

interface Manifest {
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

const PROGRAM = `
import {
  createTopupClient, TopupRefused, type NewOrder, type OrderEdge,
} from 'topup-gateway/client';

const client = createTopupClient({ url: 'http://127.0.0.1:9/graphql', token: () => 'none' });
const order: NewOrder = { productId: 4218, amount: '4.99', inputData: [] };
// @ts-expect-error Amounts are text.
export const wrong: NewOrder = { productId: 4218, amount: 4.99, inputData: [] };

export async function follow(show: (edge: OrderEdge) => void): Promise<string | undefined> {
  try {
    const { orderId } = await client.createOrder(order);
    for await (const edge of client.watchOrder({ orderId })) show(edge);
    return undefined;
  } catch (error) {
    return error instanceof TopupRefused ? error.userErrors[0]?.code : undefined;
  }
}
`;

describe('the package of the typed client', () => {
  let user = '';
  let installed = '';

  beforeAll(async () => {
    // Nowhere above this folder are there packages, as there are above the gateway's own files.
    user = mkdtempSync(join(tmpdir(), 'topup-client-user-'));
    installed = join(user, 'node_modules/topup-gateway');
    mkdirSync(installed, { recursive: true });
    await run(process.execPath, [join(ROOT, 'dist/client-package.js')]);
    await run('npm', ['pack', './dist/client', '--pack-destination', user], { cwd: ROOT });
    const [tarball = ''] = readdirSync(user).filter((name) => name.endsWith('.tgz'));
    await run('tar', ['-xzf', join(user, tarball), '-C', installed, '--strip-components=1']);
    // As npm would: what it depends on, and what is a peer of that.
    const { dependencies } = readJson(join(installed, 'package.json')) as Manifest;
    for (const name of new Set([...Object.keys(dependencies), 'graphql'])) {
      mkdirSync(dirname(join(user, 'node_modules', name)), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), join(user, 'node_modules', name));
    }
  });

  afterAll(() => rmSync(user, { recursive: true }));

  it('depends on what its files import, as it is pinned here, and runs nothing', () => {
    const { dependencies, scripts } = readJson(join(installed, 'package.json')) as Manifest;
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(?:js|d\.ts)$/.test(name))
      .map((name) => readFileSync(join(installed, name), 'utf8'));
    const imported = files.flatMap((text) => (
      [...text.matchAll(/\b(?:from|import) ?\(?'((?:@[^/']+\/)?[^./'][^/']*)/g)]
        .map(([, name = '']) => name)
    ));
    expect(files.length).toBeGreaterThan(10);
    expect(Object.keys(dependencies)).toEqual([...new Set(imported)].sort());
    const pinned = (readJson(join(ROOT, 'package.json')) as Manifest).dependencies;
    expect(pinned).toMatchObject(dependencies);
    expect(scripts).toBeUndefined();
  });

  it('compiles in a strict project, its libraries checked as well', async () => {
    writeFileSync(join(user, 'package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(join(user, 'program.ts'), PROGRAM);
    writeFileSync(join(user, 'tsconfig.json'), JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2024',
        lib: ['es2024', 'dom', 'dom.asynciterable'],
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        // Those of TypeScript itself are none of ours, and take the most time.
        skipDefaultLibCheck: true,
        noEmit: true,
      },
    }));
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    // Rejects at any other exit code, and shows what was written.
    const { stdout } = await run(process.execPath, [compiler, '-p', user]);
    expect(stdout).toBe('');
  }, 60_000);

  it('is found by its name', async () => {
    writeFileSync(join(user, 'look.mjs'),
      "console.log(Object.keys(await import('topup-gateway/client')).join())");
    const { stdout } = await run(process.execPath, [join(user, 'look.mjs')]);
    expect(stdout.trim())
      .toBe('TopupInDoubt,TopupRefused,TopupRequestFailed,createTopupClient');
  });
});
