import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Changes with every file of a folder that is taken, by its path in there, and with the others. */
export async function stampOfSources(
  folder: string,
  others: readonly string[],
  isTaken: (path: string) => boolean = () => true,
): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name)).filter(isTaken).sort();
  const files = [...paths, ...others];
  const texts = await Promise.all(files.map((path) => readFile(path)));
  const hash = createHash('sha256');
  texts.forEach((text, at) => {
    hash.update(`${files[at]?.slice(folder.length)}\0${text.length}\0`).update(text);
  });
  return hash.digest('hex');
}
