import { configFromEnvironment } from '../config.ts';
import { claimDataDir } from './data-dir-claim.ts';
import { removeDemoFile } from './demo-file.ts';

/**
 * Run before the build of a start, which takes seconds: what a killed program left in demo.json
 * would meanwhile be taken for this one's. Where a program has the directory, the file is of that
 * one, and stays.
 */
async function removeStaleFile(): Promise<void> {
  const { dataDir, role } = configFromEnvironment(true);
  if (role === 'worker') return;
  const claim = await claimDataDir(dataDir);
  await removeDemoFile(dataDir).finally(() => claim.release());
}

// Whatever is wrong here is told by the program itself, which starts next.
await removeStaleFile().catch(() => {});
