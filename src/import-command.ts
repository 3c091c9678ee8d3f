import { readFile } from 'node:fs/promises';
import {
  importCatalogue, type ImportedProduct, type ImportedVariant, type ImportProblems,
} from './db/catalogue-import.ts';
import { parseCatalogueFile, type CatalogueFile } from './import/catalogue-file.ts';
import { startProgress } from './import/import-progress.ts';

/** More problems than this are counted, not told. */
const PROBLEMS_SHOWN_MAX = 50;

/** Imports a catalogue file, or nothing of it; false where it was refused. Tells on the streams. */
export async function importFile(
  path: string,
  ownerDatabaseUrl: string,
  streams: { readonly out: NodeJS.WritableStream; readonly err: NodeJS.WriteStream },
): Promise<boolean> {
  const bytes = await readFile(path).catch((error: Error) => error);
  if (bytes instanceof Error) {
    streams.err.write(`The file cannot be read: ${bytes.message}\n`);
    return false;
  }
  const file = parseCatalogueFile(bytes);
  const problems = file.problems.length > 0
    ? file.problems
    : await importWithProgress(file, ownerDatabaseUrl, streams.err);
  if (problems.length === 0) {
    const { products, variants } = file;
    streams.out.write(`Imported ${products.length} products and ${variants.length} variants.\n`);
    return true;
  }
  for (const { line, message } of problems.slice(0, PROBLEMS_SHOWN_MAX)) {
    streams.err.write(`line ${line}: ${message}\n`);
  }
  const more = problems.length - PROBLEMS_SHOWN_MAX;
  if (more > 0) streams.err.write(`and ${more} more\n`);
  streams.err.write('Nothing was imported.\n');
  return false;
}

async function importWithProgress(
  file: CatalogueFile,
  ownerDatabaseUrl: string,
  output: NodeJS.WriteStream,
): Promise<ImportProblems> {
  const products = file.products.map(({ line, value }): ImportedProduct => {
    const { currency_code: currency, ...columns } = value;
    return { line, currency, ...columns };
  });
  const variants = file.variants.map(({ line, value }): ImportedVariant => ({ line, ...value }));
  const progress = startProgress(products.length + variants.length, output);
  try {
    return await importCatalogue({
      ownerDatabaseUrl, products, variants, onProgress: progress.update,
    });
  } finally {
    progress.stop();
  }
}
