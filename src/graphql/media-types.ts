/** The media types of an answer; the first is GraphQL's own, and says so at any status. */
export const GRAPHQL_RESPONSE = 'application/graphql-response+json';
export const PLAIN_JSON = 'application/json';
export type MediaType = typeof GRAPHQL_RESPONSE | typeof PLAIN_JSON;

/** Clients send one of a few headers; a made-up one is read each time it comes. */
const REMEMBERED_COUNT_MAX = 100;

/** Which media type an Accept header asks for; null where it takes none of ours. */
export type Negotiate = (accept: string | undefined) => MediaType | null;

/** Negotiates by quality; of equal ones, and without a header, the first one offered is taken. */
export function createNegotiation(offered: readonly MediaType[]): Negotiate {
  const remembered = new Map<string, MediaType | null>();
  return (accept = '*/*') => {
    const known = remembered.get(accept);
    if (known !== undefined) return known;
    const chosen = choose(parseAccept(accept), offered);
    if (remembered.size < REMEMBERED_COUNT_MAX) remembered.set(accept, chosen);
    return chosen;
  };
}

/** Whether to give a browser its page: where HTML is named, and liked better than our types. */
export function asksForPage(accept = ''): boolean {
  if (!accept.includes('text/html')) return false;
  const ranges = parseAccept(accept);
  const named = ranges.find(({ type }) => type === 'text/html')?.quality ?? 0;
  return [GRAPHQL_RESPONSE, PLAIN_JSON].every((type) => qualityOf(type, ranges) < named);
}

interface MediaRange {
  readonly type: string;
  readonly quality: number;
}

function parseAccept(accept: string): readonly MediaRange[] {
  return accept.split(',').flatMap((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const valueOf = (name: string): string | undefined =>
      parameters.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
    const charset = valueOf('charset')?.replaceAll('"', '') ?? 'utf-8';
    const quality = Number(valueOf('q') ?? 1);
    const isReadable = /^utf-?8$/.test(charset) && quality >= 0 && quality <= 1;
    return isReadable ? [{ type, quality }] : [];
  });
}

function choose(ranges: readonly MediaRange[], offered: readonly MediaType[]): MediaType | null {
  let chosen: MediaType | null = null;
  let best = 0;
  for (const type of offered) {
    const quality = qualityOf(type, ranges);
    if (quality > best) [chosen, best] = [type, quality];
  }
  return chosen;
}

/** The most specific range that covers a type decides, whatever stands before it. */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  for (const pattern of [type, 'application/*', '*/*']) {
    const range = ranges.find((each) => each.type === pattern);
    if (range !== undefined) return range.quality;
  }
  return 0;
}
