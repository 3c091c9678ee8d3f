import type pg from 'pg';
import {
  FILE_PROBLEMS, MERGE, STAGE_OFFERS, STAGE_PREFIXES, STAGE_PRODUCTS, STAGE_VARIANTS, STAGING,
} from './catalogue-import-sql.ts';
import { withSingleConnection } from './single-connection.ts';

/** A product of a file; keys are column names. */
export interface ImportedProduct {
  readonly line: number;
  readonly id: number;
  /** In E.164, with plus; undefined leaves the product's as they are. */
  readonly prefixes?: readonly string[] | undefined;
  readonly [column: string]: unknown;
}

/** A variant of a file; keys are column names. Its offers are in the order of their routes. */
export interface ImportedVariant {
  readonly line: number;
  readonly id: number;
  readonly offers: readonly { readonly supplier: string; readonly sku: string }[];
  readonly [column: string]: unknown;
}

export interface ImportOptions {
  /** The owner of the tables: the program's own role may not write them. */
  readonly ownerDatabaseUrl: string;
  readonly products: readonly ImportedProduct[];
  readonly variants: readonly ImportedVariant[];
  /** Rows that are handed over so far. */
  readonly onProgress: (rowCount: number) => void;
}

/** What the file names and the database does not know; empty where all of it was imported. */
export type ImportProblems = readonly { readonly line: number; readonly message: string }[];

const CHUNK_ROWS = 2000;

/**
 * Imports products and variants in one transaction, or nothing. Rows are handed over to temporary
 * tables first, so that others who change prices wait for the merge alone; orders never wait.
 * What is not in the file stays as it is.
 */
export function importCatalogue(options: ImportOptions): Promise<ImportProblems> {
  return withSingleConnection(options.ownerDatabaseUrl, async (client) => {
    await client.query('begin');
    await client.query(STAGING);
    await stage(client, options);
    const { rows: problems } =
      await client.query<{ line: number; message: string }>(FILE_PROBLEMS);
    if (problems.length === 0) for (const step of MERGE) await client.query(step);
    await client.query(problems.length === 0 ? 'commit' : 'rollback');
    return problems;
  }, { applicationName: 'topup-gateway import' });
}

async function stage(client: pg.Client, options: ImportOptions): Promise<void> {
  let done = 0;
  const inChunks = async (
    rows: readonly { readonly line: number }[],
    statements: readonly string[],
  ): Promise<void> => {
    for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
      const chunk = rows.slice(start, start + CHUNK_ROWS);
      const text = JSON.stringify(chunk);
      for (const statement of statements) await client.query(statement, [text]);
      done += chunk.length;
      options.onProgress(done);
    }
  };
  await inChunks(options.products, [STAGE_PRODUCTS, STAGE_PREFIXES]);
  await inChunks(options.variants, [STAGE_VARIANTS, STAGE_OFFERS]);
}
