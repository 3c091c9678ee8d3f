import { lookup as lookUp, type LookupAddress, type LookupOptions } from 'node:dns';

type Callback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

type Lookup = (name: string, options: LookupOptions, callback: Callback) => void;

/**
 * Looks names up, one at a time the same: whoever asks meanwhile shares the answer. A name whose
 * server is silent holds one of the process's few threads then (libuv's, for 10 s and longer), and
 * not all of them, behind which every other name would wait.
 */
export function createSharedLookup(lookup: Lookup = lookUp): Lookup {
  const waiting = new Map<string, Callback[]>();
  return (name, options, callback) => {
    const { all, family, hints, order } = options;
    const key = JSON.stringify([name, all, family, hints, order]);
    const others = waiting.get(key);
    if (others !== undefined) {
      others.push(callback);
      return;
    }
    const callbacks = [callback];
    waiting.set(key, callbacks);
    const tell: Callback = (...answer) => {
      waiting.delete(key);
      for (const each of callbacks) each(...answer);
    };
    try {
      lookup(name, options, tell);
    } catch (error) {
      tell(error as Error, []);
    }
  };
}

/** Of the process: two suppliers may have one name. */
export const sharedLookup = createSharedLookup();
