import { parseArgs } from 'node:util';
import { StartRefused } from './start-refused.ts';

/** What the program can be asked for, and how many words each takes. */
const WORD_COUNTS = {
  '--reset': 0,
  '--migrate': 0,
  '--restored': 0,
  '--invariants': 0,
  '--import': 1,
  // They are read by keys-command.ts and vouchers-command.ts.
  '--keys': Infinity,
  '--vouchers': Infinity,
} as const;

const DAY_MS = 24 * 60 * 60 * 1000;
const DAYS_MAX = 3650;

type Asked = keyof typeof WORD_COUNTS;

/** What is done at once, in place of a start. */
export type Command = Exclude<Asked, '--reset'>;

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

/**
 * What follows a verb: options that have a value, each once at most, and so many words.
 * @throws StartRefused, with `usage`, also for what the verb would not look at
 */
export function readOptions<Name extends string>(
  args: readonly string[],
  takes: { readonly options: readonly Name[]; readonly wordCount: number; readonly usage: string },
): { readonly values: { readonly [Key in Name]?: string }; readonly words: readonly string[] } {
  const refuse = (why: string): never => {
    throw new StartRefused(`${why}\n${takes.usage}`);
  };
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: Object.fromEntries(takes.options.map((name) => [name, { type: 'string' as const }])),
    strict: false,
    tokens: true,
  });
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const isKnown = (takes.options as readonly string[]).includes(token.name);
    if (!isKnown) refuse(`${token.rawName} means nothing here`);
    if (token.value === undefined) refuse(`${token.rawName} needs a value`);
    if (seen.has(token.name)) refuse(`${token.rawName} is there twice`);
    seen.add(token.name);
  }
  const extra = positionals[takes.wordCount];
  if (extra !== undefined) refuse(`${extra} means nothing here`);
  return { values: values as { [Key in Name]?: string }, words: positionals };
}

/** @throws StartRefused */
export function toClientId(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw new StartRefused(`${text} is no client id`);
  return Number(text);
}

/**
 * So many days from now; null where nothing was said.
 * @throws StartRefused
 */
export function toExpiry(days: string | undefined, now: Date): Date | null {
  if (days === undefined) return null;
  if (!/^[1-9][0-9]{0,3}$/.test(days) || Number(days) > DAYS_MAX) {
    throw new StartRefused(`--days is a whole number from 1 to ${DAYS_MAX}`);
  }
  return new Date(now.getTime() + Number(days) * DAY_MS);
}
