import type { WakeUps } from './wake-ups.ts';

/** A lost wake-up costs at most this. */
const POLL_MS = 500;

export interface TailReader {
  close(): Promise<void>;
}

/**
 * Calls `readTails` at every wake-up of the feed, and without one often enough that a lost wake-up
 * does no harm. One read at a time: whatever wakes during a read is seen by the one after it.
 */
export function startTailReader(options: {
  readonly wakeUps: WakeUps;
  readonly readTails: () => Promise<void>;
  readonly onError: (error: Error) => void;
}): TailReader {
  let reading: Promise<void> | null = null;
  let isReadingAgain = false;
  const read = (): void => {
    if (reading !== null) {
      isReadingAgain = true;
      return;
    }
    reading = options.readTails()
      .catch(options.onError)
      .finally(() => {
        reading = null;
        if (!isReadingAgain) return;
        isReadingAgain = false;
        read();
      });
  };
  const stopListening = options.wakeUps.on('feed', read);
  const timer = setInterval(read, POLL_MS);
  return {
    async close() {
      stopListening();
      clearInterval(timer);
      await reading;
    },
  };
}
