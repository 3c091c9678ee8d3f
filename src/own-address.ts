import type { Config } from './config.ts';
import { freePortAt } from './rest/listeners.ts';
import { StartRefused } from './start-refused.ts';

/** The address is taken, not of this machine, not for this user, or no address at all. */
const ADDRESS_FAULTS = new Set([
  'EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'EAFNOSUPPORT', 'EINVAL', 'ENOTFOUND', 'EAI_AGAIN',
]);

/** Before anything else is opened that would have to be closed again, or takes up orders. */
export async function assertFree(config: Config): Promise<void> {
  await freePortAt(config).catch((error: unknown) => refuseAddress(error, config));
}

/** Where `error` is of the address: StartRefused with what to do. */
export function refuseAddress(error: unknown, { host, port }: Config): never {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!ADDRESS_FAULTS.has(String(code))) throw error;
  throw new StartRefused(`The gateway cannot listen at HOST=${host}, PORT=${port}: ${message}.`
    + ` Name another, for instance HOST=127.0.0.1 PORT=${port === 4000 ? 4010 : 4000}`);
}
