import type { WakeUp, WakeUps } from './wake-ups.ts';

/**
 * Reads one at a time. Whoever asks while one is under way shares the next one with all who ask
 * meanwhile: never that one, which may still see what was before the question.
 */
export function oneAtATime<Result>(read: () => Promise<Result>): () => Promise<Result> {
  let reading: Promise<Result> | null = null;
  let next: Promise<Result> | null = null;
  const begin = (): Promise<Result> => {
    reading = read().finally(() => { reading = null; });
    return reading;
  };
  const goOn = (): Promise<Result> => {
    next = null;
    // Somebody may have asked between the end of the last one and this.
    return reading ?? begin();
  };
  return () => {
    if (reading === null) return begin();
    next ??= reading.then(goOn, goOn);
    return next;
  };
}

/**
 * Calls `look` at each wake-up of `channel`, and every `pollMs` for those that were lost.
 * @returns ends it; the fault of a look that is under way then is nobody's any more
 */
export function followChannel(options: {
  readonly wakeUps: WakeUps;
  readonly channel: WakeUp;
  readonly pollMs: number;
  readonly look: () => Promise<unknown>;
  readonly onError: (error: Error) => void;
}): () => void {
  let isOver = false;
  const look = (): void => void options.look().catch((error: Error) => {
    if (!isOver) options.onError(error);
  });
  const stopListening = options.wakeUps.on(options.channel, look);
  const timer = setInterval(look, options.pollMs);
  return () => {
    isOver = true;
    stopListening();
    clearInterval(timer);
  };
}
