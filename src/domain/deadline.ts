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
