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

/** Reads a catalogue of JSON lines; empty lines are skipped. */
export function parseCatalogueFile(bytes: Uint8Array): CatalogueFile {
  if (!isUtf8(bytes)) {
    return { products: [], variants: [], problems: [{ line: 1, message: 'is not all UTF-8' }] };
  }
  const products: Numbered<ProductLine>[] = [];
  const variants: Numbered<VariantLine>[] = [];
  const problems: FileProblem[] = [];
  const seenAt = new Map<string, number>();
  for (const [index, text] of new TextDecoder().decode(bytes).split('\n').entries()) {
    if (text.trim() === '') continue;
    const line = index + 1;
    const written = jsonOf(text);
    if (typeof written !== 'object' || written === null) {
      problems.push({ line, message: 'is no JSON object' });
      continue;
    }
    const parsed = catalogueLine.safeParse(written);
    if (!parsed.success) {
      problems.push(...parsed.error.issues.map((issue) => (
        { line, message: [issue.path.join('.'), issue.message].filter(Boolean).join(': ') }
      )));
      continue;
    }
    const value = parsed.data;
    const key = `${value.kind} ${value.id}`;
    const before = seenAt.get(key);
    if (before !== undefined) {
      problems.push({ line, message: `${key} stands in line ${before} already` });
    }
    seenAt.set(key, line);
    if (value.kind === 'product') products.push({ line, value });
    else variants.push({ line, value });
  }
  return { products, variants, problems };
}

/** Undefined for what is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
