import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILES_AT_ONCE = 64;

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
  const hash = createHash('sha256');
  // Some at a time: all of them at once are more files than some systems let a program open.
  for (let at = 0; at < files.length; at += FILES_AT_ONCE) {
    const some = files.slice(at, at + FILES_AT_ONCE);
    const texts = await Promise.all(some.map((path) => readFile(path)));
    texts.forEach((text, nth) => {
      hash.update(`${some[nth]?.slice(folder.length)}\0${text.length}\0`).update(text);
    });
  }
  return hash.digest('hex');
}
