import { Presets, SingleBar } from 'cli-progress';

/** A bar on a terminal; in a pipe or a log it would be noise, and the library shows none. */
export function startProgress(total: number, output: NodeJS.WriteStream): SingleBar {
  const bar = new SingleBar({
    stream: output,
    format: 'Importing {bar} {percentage}% | {value} of {total} | {duration_formatted}',
    // What it would switch off, nobody would switch on again where the import is ended by a signal.
    hideCursor: false,
    linewrap: true,
  }, Presets.shades_classic);
  bar.start(total, 0);
  return bar;
}
