const heard = (): void => undefined;

/**
 * Lets the event loop end the turn it is in, once it has served the sockets that are ready now.
 *
 * Where 1,024 are ready, libuv looks for more, up to 48 times, before timers, immediates and new
 * connections have their turn: beside 3,000 clients that asked without a pause one took five
 * seconds. A signal ends that (`uv__io_poll`, `have_signals`). Nobody else is sent this one, and a
 * process that does not listen for it ignores it. Does nothing where it is not known to help.
 */
export function cutPolling(): void {
  if (process.platform !== 'linux') return;
  // Node tells libuv of the signal as long as somebody listens.
  if (!process.listeners('SIGURG').includes(heard)) process.on('SIGURG', heard);
  process.kill(process.pid, 'SIGURG');
}
