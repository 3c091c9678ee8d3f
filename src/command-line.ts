import { StartRefused } from './start-refused.ts';

/** What the program can be asked for, and how many words each takes. */
const WORD_COUNTS = {
  '--reset': 0,
  '--migrate': 0,
  '--restored': 0,
  '--invariants': 0,
  '--import': 1,
  // They are read by keys-command.ts.
  '--keys': Infinity,
} as const;

type Asked = keyof typeof WORD_COUNTS;

export interface CommandLine {
  /** Null where the program is to be started. */
  readonly command: Asked | null;
  readonly words: readonly string[];
}

/**
 * What a command line asks for. What it would not look at is refused: it was meant to say
 * something.
 * @throws StartRefused
 */
export function readCommandLine(args: readonly string[]): CommandLine {
  const [command = null, ...words] = args;
  if (command === null) return { command, words };
  if (!isKnown(command)) throw new StartRefused(meansNothing(command));
  const extra = words[WORD_COUNTS[command]];
  if (extra !== undefined) throw new StartRefused(meansNothing(extra));
  if (command === '--import' && words.length === 0) {
    throw new StartRefused('npm run import -- FILE');
  }
  return { command, words };
}

const isKnown = (text: string): text is Asked => Object.hasOwn(WORD_COUNTS, text);

const meansNothing = (text: string): string =>
  `${text} means nothing here; nothing was done. Settings are read from the environment`;
