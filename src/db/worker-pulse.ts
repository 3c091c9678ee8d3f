import type { Clock } from '../domain/ports.ts';
import type { WakeUps } from './wake-ups.ts';

/** How often a worker says that it is alive; one notification for all who listen. */
const BEAT_EVERY_MS = 5_000;

export interface WorkerPulse {
  /** This process's worker has gone round; told to the others now and then. */
  beat(): void;
  /** Milliseconds since any worker was heard; Infinity where none was. */
  silentMs(): number;
  /** Milliseconds for which any worker could have been heard, and none was. */
  unheardMs(): number;
}

/** The signs of life of the workers of one database, in all its processes. */
export function openWorkerPulse(options: {
  readonly wakeUps: Pick<WakeUps, 'on' | 'send'>;
  readonly clock: Clock;
}): WorkerPulse {
  const { wakeUps, clock } = options;
  const openedAtMs = clock.monotonicMs();
  let toldAtMs = -Infinity;
  let heardAtMs = -Infinity;
  wakeUps.on('worker_alive', () => { heardAtMs = clock.monotonicMs(); });
  return {
    beat() {
      if (clock.monotonicMs() - toldAtMs < BEAT_EVERY_MS) return;
      toldAtMs = clock.monotonicMs();
      wakeUps.send('worker_alive');
    },
    silentMs: () => clock.monotonicMs() - heardAtMs,
    unheardMs: () => clock.monotonicMs() - Math.max(heardAtMs, openedAtMs),
  };
}
