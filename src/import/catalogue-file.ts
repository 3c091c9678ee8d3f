import { isUtf8 } from 'node:buffer';
import { catalogueLine, type ProductLine, type VariantLine } from './catalogue-lines.ts';

/** What is wrong, and in which line; lines count from 1. */
export interface FileProblem {
  readonly line: number;
  readonly message: string;
}

export interface Numbered<Line> {
  readonly line: number;
  readonly value: Line;
}

export interface CatalogueFile {
  readonly products: readonly Numbered<ProductLine>[];
  readonly variants: readonly Numbered<VariantLine>[];
  /** All that is wrong with the file by itself; nothing is imported if there is any. */
  readonly problems: readonly FileProblem[];
}

/** Many times the longest that makes sense; all that is wrong with one line is kept in memory. */
const LINE_BYTES_MAX = 1024 * 1024;
/** The reading ends where so much is wrong: a file of another kind is wrong in every line. */
const PROBLEMS_MAX = 1000;

/** Reads a catalogue of JSON lines; empty lines are skipped. */
export function parseCatalogueFile(bytes: Buffer): CatalogueFile {
  const products: Numbered<ProductLine>[] = [];
  const variants: Numbered<VariantLine>[] = [];
  const problems: FileProblem[] = [];
  const seenAt = new Map<string, number>();
  for (const { line, value: written } of linesOf(bytes)) {
    if (problems.length >= PROBLEMS_MAX) break;
    const read = parseLine(written);
    if (read.kind === 'empty') continue;
    if (read.kind === 'faulty') {
      problems.push(...read.messages.map((message) => ({ line, message })));
      continue;
    }
    const key = `${read.kind} ${read.id}`;
    const before = seenAt.get(key);
    if (before !== undefined) {
      problems.push({ line, message: `${key} stands in line ${before} already` });
    }
    seenAt.set(key, line);
    if (read.kind === 'product') products.push({ line, value: read });
    else variants.push({ line, value: read });
  }
  return { products, variants, problems };
}

function* linesOf(bytes: Buffer): Generator<Numbered<Buffer>> {
  for (let start = 0, line = 1; start < bytes.length; line += 1) {
    const found = bytes.indexOf('\n', start);
    const end = found === -1 ? bytes.length : found;
    yield { line, value: bytes.subarray(start, end) };
    start = end + 1;
  }
}

type Read =
  | ProductLine
  | VariantLine
  | { readonly kind: 'empty' }
  | { readonly kind: 'faulty'; readonly messages: readonly string[] };

const decoder = new TextDecoder();

function parseLine(bytes: Buffer): Read {
  if (bytes.length > LINE_BYTES_MAX) return faulty('is over 1 MB long');
  if (!isUtf8(bytes)) return faulty('is not all UTF-8');
  const text = decoder.decode(bytes);
  if (text.trim() === '') return { kind: 'empty' };
  const written = jsonOf(text);
  if (typeof written !== 'object' || written === null) return faulty('is no JSON object');
  const parsed = catalogueLine.safeParse(written);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, PROBLEMS_MAX);
  return faulty(...issues.map(({ path, message }) =>
    [path.join('.'), message].filter(Boolean).join(': ')));
}

function faulty(...messages: readonly string[]): Read {
  return { kind: 'faulty', messages };
}

/** Undefined for what is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
