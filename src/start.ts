import { join } from 'node:path';
import { leave, prepareStart, STOP_SIGNALS } from './before-start.ts';

/**
 * `npm start`: builds what changed, then becomes the program. The process stays the same one, so
 * that npm's signals reach whatever it is just doing.
 */
if (await prepareStart()) {
  if (process.execve === undefined) {
    throw new Error('A start needs Node 22.15 or a later one, on Linux or macOS');
  }
  // From here on nobody would hear what is caught.
  for (const signal of STOP_SIGNALS) process.off(signal, leave);
  process.execve(process.execPath, [
    'node', '--disable-proto=delete', '--enable-source-maps',
    join(import.meta.dirname, '../dist/main.js'), ...process.argv.slice(2),
  ]);
}
