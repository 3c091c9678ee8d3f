/** All that comes before a start, in one process: each further one costs a fifth of a second. */

await import('./demo/remove-stale-file.ts');
await import('./build-program.ts');
// What did not compile is not started, and has no need of pages.
if (process.exitCode === 0) await import('./pages/build.ts');
