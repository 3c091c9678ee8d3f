import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
/** What files of the client import. `graphql` is a peer of both, in its user's own version. */
const IMPORTED = ['@graphql-typed-document-node/core', 'graphql-ws'];

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private: boolean;
  readonly license: string;
  readonly type: string;
  readonly exports: object;
  readonly dependencies: Readonly<Record<string, string>>;
}

// The client is a package of its own: whoever installs it has no use for the gateway's packages.
const gateway = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
const { name, version, license, type } = gateway;
const client: Manifest = {
  name,
  version,
  private: gateway.private,
  license,
  type,
  exports: JSON.parse(
    JSON.stringify(gateway.exports).replaceAll('./dist/client/', './'),
  ) as object,
  dependencies: Object.fromEntries(IMPORTED.map((each) => {
    const pinned = gateway.dependencies[each];
    if (pinned === undefined) throw new Error(`package.json has no dependency ${each}`);
    return [each, pinned];
  })),
};
const path = join(ROOT, 'dist/client/package.json');
// Whole at once: Node reads it whenever a program imports the client from here.
writeFileSync(`${path}.new`, `${JSON.stringify(client, null, 2)}\n`);
renameSync(`${path}.new`, path);
