import { createReadStream } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import {
  importCatalogue, type ImportedProduct, type ImportedVariant, type ImportProblems,
} from './db/catalogue-import.ts';
import {
  parseCatalogueFile, type CatalogueFile, type FileProblem,
} from './import/catalogue-file.ts';
import { startProgress } from './import/import-progress.ts';

/** What stands in a file is held in memory, ten times as large. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;
/** More problems than this are counted, not told. */
const PROBLEMS_SHOWN_MAX = 50;
/** A message quotes the file, which may have a text of any length in it. */
const MESSAGE_LENGTH_MAX = 400;

/** Imports a catalogue file, or nothing of it; false where it was refused. Tells on the streams. */
export async function importFile(
  path: string,
  ownerDatabaseUrl: string,
  streams: { readonly out: NodeJS.WritableStream; readonly err: NodeJS.WriteStream },
): Promise<boolean> {
  // One byte more than a file may have tells that there is more.
  const bytes = await buffer(createReadStream(path, { end: FILE_BYTES_MAX }))
    .catch((error: Error) => error);
  if (bytes instanceof Error) {
    streams.err.write(`The file cannot be read: ${bytes.message}\n`);
    return false;
  }
  if (bytes.length > FILE_BYTES_MAX) {
    streams.err.write('The file is over 64 MB: import it in parts, products before their variants.'
      + '\nNothing was imported.\n');
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
  tell(problems, streams.err);
  return false;
}

function tell(problems: readonly FileProblem[], output: NodeJS.WritableStream): void {
  for (const { line, message } of problems.slice(0, PROBLEMS_SHOWN_MAX)) {
    output.write(`line ${line}: ${printable(message)}\n`);
  }
  const more = problems.length - PROBLEMS_SHOWN_MAX;
  if (more > 0) output.write(`and at least ${more} more\n`);
  output.write('Nothing was imported.\n');
}

/** On one line, and nothing that a terminal would obey. */
function printable(message: string): string {
  const shown = message.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return shown.length > MESSAGE_LENGTH_MAX ? `${shown.slice(0, MESSAGE_LENGTH_MAX)}…` : shown;
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
  const bar = startProgress(products.length + variants.length, output);
  try {
    return await importCatalogue({
      ownerDatabaseUrl, products, variants, onProgress: (rowCount) => bar.update(rowCount),
    });
  } finally {
    bar.stop();
  }
}
