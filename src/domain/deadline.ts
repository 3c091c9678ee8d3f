import type { Clock } from './ports.ts';

/** Timers stand still while a machine sleeps, and its clock goes on: so often it is looked at. */
const TIMER_MS_MAX = 30_000;

/**
 * Makes a call whose signal is aborted after `ms` milliseconds. The timer ends with the call: that
 * of AbortSignal.timeout stays until it fires, and makes an error with its stack then.
 */
export async function withDeadline<Result>(
  ms: number,
  call: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort('deadline passed'), ms);
  try {
    return await call(deadline.signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What `promise` resolves to, or undefined after `ms` milliseconds or once `stopping` is aborted;
 * it goes on then, and rejects unheard. The sleep ends with the wait, however that ends.
 */
export async function waitAtMost<Result>(
  ms: number,
  promise: Promise<Result>,
  { clock, stopping }: { readonly clock: Clock; readonly stopping?: AbortSignal },
): Promise<Result | undefined> {
  const over = new AbortController();
  const signals = stopping === undefined ? [over.signal] : [over.signal, stopping];
  try {
    return await Promise.race([
      promise, clock.sleep(ms, AbortSignal.any(signals)).then(() => undefined),
    ]);
  } finally {
    over.abort('not waited for');
  }
}

/** Sleeps until `clock` says `atMs` (milliseconds since 1970), or until `signal` is aborted. */
export async function sleepUntil(atMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const leftMs = atMs - clock.now().getTime();
    if (leftMs <= 0) return;
    await clock.sleep(Math.min(leftMs, TIMER_MS_MAX), signal);
  }
}
