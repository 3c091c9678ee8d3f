import { access, constants, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes the directory, and those above it, where it is absent.
 * @throws Error naming DATA_DIR where that cannot be, or nothing can be written there
 */
export async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await makeWithParents(dataDir);
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(
      `DATA_DIR=${dataDir} is no folder that can be used (${(error as Error).message}); `
        + 'give it to the user who starts the program, or name another one, '
        + 'e.g. DATA_DIR=/tmp/topup-gateway',
      { cause: error },
    );
  }
}

// Node's own recursive way goes round for ever where a parent is there and nothing can be made in
// it, as in /proc.
async function makeWithParents(path: string): Promise<void> {
  try {
    await makeUnlessThere(path);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    await makeWithParents(parent);
    await makeUnlessThere(path);
  }
}

async function makeUnlessThere(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
    if (!isThere || !(await stat(path)).isDirectory()) throw error;
  }
}
