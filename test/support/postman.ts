import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { stringify } from 'yaml';

interface Conversion {
  readonly result: boolean;
  readonly reason?: string;
  readonly output?: readonly { readonly data: object }[];
}

interface Converter {
  convertV2(
    input: { readonly type: 'string'; readonly data: string },
    options: object,
    done: (error: Error | null, conversion: Conversion) => void,
  ): void;
}

// It brings no types.
const converter = createRequire(import.meta.url)('openapi-to-postmanv2') as Converter;

const OPTIONS = {
  folderStrategy: 'Tags',
  requestNameSource: 'Fallback',
  parametersResolution: 'Example',
  includeAuthInfoInExample: false,
  alwaysInheritAuthentication: true,
  // They are listed and left out: together they are no question that anybody would ask.
  enableOptionalParameters: false,
  optimizeConversion: false,
  stackLimit: 50,
};

/** The document as a Postman collection for the demo, the same whenever it is made. */
export async function postmanCollection(document: object): Promise<object> {
  const data = stringify(withoutChance(document), { aliasDuplicateObjects: false });
  const conversion = await new Promise<Conversion>((resolve, reject) => {
    converter.convertV2({ type: 'string', data }, OPTIONS, (error, found) => {
      if (error === null) resolve(found);
      else reject(error);
    });
  });
  const [made] = conversion.output ?? [];
  if (!conversion.result || made === undefined) throw new Error(conversion.reason);
  return withFixedIds(runnable(made.data as Collection), 'collection') as object;
}

interface Collection {
  readonly item: readonly Folder[];
  readonly variable?: readonly object[];
}
interface Folder {
  readonly name: string;
  readonly item?: readonly Folder[];
}

/**
 * So that all of it can be run from top to bottom: the token has its place, the log in fills it,
 * and who logs out, which ends every token, does so last.
 */
function runnable(collection: Collection): Collection {
  const isLogOut = ({ name }: Folder): boolean => name === 'Log out';
  const last = collection.item.flatMap((folder) => (folder.item ?? []).filter(isLogOut));
  const item = collection.item.map((folder) => ({
    ...folder,
    item: (folder.item ?? []).filter((each) => !isLogOut(each)).map((each) => (
      each.name === 'Log in with an API key' ? { ...each, event: [KEEP_TOKEN] } : each
    )),
  }));
  return {
    ...collection,
    item: [...item, ...last],
    variable: [...collection.variable ?? [], { key: 'bearerToken', value: '', type: 'string' }],
  };
}

const KEEP_TOKEN = {
  listen: 'test',
  script: {
    type: 'text/javascript',
    exec: [
      'const answer = pm.response.json();',
      "if (answer.data) pm.collectionVariables.set('bearerToken', answer.data.access_token);",
    ],
  },
};

/**
 * Where there is no example the converter makes one up, by chance: headers of answers go, and
 * parameters get one.
 */
function withoutChance(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutChance);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key !== 'headers');
  const copy = Object.fromEntries(kept.map(([key, each]) => [key, withoutChance(each)]));
  const isParameter = 'in' in copy && 'schema' in copy;
  return isParameter && !('example' in copy) ? { ...copy, example: exampleOf(copy) } : copy;
}

function exampleOf({ schema }: { readonly schema?: unknown }): unknown {
  const { enum: [first] = [], minimum, type } = schema as {
    readonly enum?: readonly unknown[]; readonly minimum?: number; readonly type?: string;
  };
  return first ?? minimum ?? (type === 'boolean' ? true : 'text');
}

/** The converter draws its ids by lot; here each follows from its place. */
function withFixedIds(value: unknown, place: string): unknown {
  if (Array.isArray(value)) return value.map((each, at) => withFixedIds(each, `${place}/${at}`));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => {
    const isId = (key === 'id' || key === '_postman_id') && typeof each === 'string';
    return [key, isId ? idOf(`${place}/${key}`) : withFixedIds(each, `${place}/${key}`)];
  }));
}

function idOf(place: string): string {
  const hex = createHash('sha256').update(place).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`,
    hex.slice(20, 32)].join('-');
}
