import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from './config.ts';

const MANIFEST = 'schema/operations/persisted.json';

/**
 * The documents of the manifest, by the SHA-256 of their text; none where there is no manifest.
 * @throws ConfigError where a hash is wrong, or nothing but trusted documents could be executed
 *   and there are none
 */
export function readTrustedDocuments(
  isOnly: boolean,
): { readonly texts: ReadonlyMap<string, string>; readonly isOnly: boolean } {
  const texts = new Map(Object.entries(readManifest()));
  const wrong = [...texts].filter(([hash, text]) => hash !== crypto.hash('sha256', text));
  if (wrong.length > 0) {
    throw new ConfigError(wrong.map(([hash]) => `${MANIFEST}: ${hash} is not its text's hash`));
  }
  if (isOnly && texts.size === 0) {
    throw new ConfigError([`TRUSTED_DOCUMENTS_ONLY=1 needs the documents in ${MANIFEST}`]);
  }
  return { texts, isOnly };
}

function readManifest(): Record<string, string> {
  const path = join(import.meta.dirname, '..', MANIFEST);
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
