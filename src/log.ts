import { setTimeout as delay } from 'node:timers/promises';
import { pino, type DestinationStream, type Logger } from 'pino';
import { createOutageLines } from './outage-lines.ts';

/**
 * What must not lie in a log, wherever it came from: tokens, secrets and addresses by their form.
 * Nothing of ours logs them; the words of libraries and of other companies may quote them.
 */
const SECRETS = new RegExp([
  /eyJ[\w-]{8,}(?:\.[\w-]*){1,2}/,
  /\btgs_\w+/,
  /\+[1-9][0-9]{6,14}(?![0-9])/,
  /[\w.!#$%&'*+=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+/,
].map(({ source }) => source).join('|'), 'g');
/** Recipients are digits, and so are the values that errors quote. */
const LONG_NUMBER = /[0-9]{6,}/g;
/** PostgreSQL quotes what it could not read, in errors of this class. */
const DATA_EXCEPTION = /^22/;
const MASK = '***';
/** Lines that nobody takes are dropped beyond this; bytes. */
const UNWRITTEN_BYTES_MAX = 4 * 2 ** 20;
/** How long a stop waits for the last lines to be taken; milliseconds. */
const LAST_LINES_MS = 500;

/** Where log lines go, in the background. */
export interface LogOutput {
  readonly stream: DestinationStream;
  /** Waits for the lines so far, where somebody takes them within half a second. */
  flush(): Promise<void>;
}

/**
 * Standard error; standard output is for the card. A log that cannot be written, for a full disk, a
 * terminal that is gone, a reader that does not read, costs lines and nothing else: pino's own
 * `flushSync` would hold the whole process until it can.
 */
export function openLogOutput(): LogOutput {
  // From a length of 1 on a flush waits for what is being written.
  const stream = pino.destination({
    fd: 2, sync: false, minLength: 1, maxLength: UNWRITTEN_BYTES_MAX,
  });
  stream.on('error', () => undefined);
  stream.flushSync = () => undefined;
  return {
    stream,
    async flush() {
      const written = new Promise<void>((resolve) => stream.flush(() => resolve()));
      await Promise.race([written, delay(LAST_LINES_MS, undefined, { ref: false })]);
    },
  };
}

/** JSON lines; texts are masked on their way out, and an outage is told of now and then. */
export function createLog(level: string, output: DestinationStream): Logger {
  const leftOutBefore = createOutageLines();
  return pino({
    level,
    serializers: { err: describeError },
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // The mask has no quote and no backslash, so that a line stays JSON.
    hooks: {
      streamWrite: (line) => line.replaceAll(SECRETS, MASK),
      logMethod(args, method) {
        const [fields, words] = args as unknown[];
        // What a child adds names a request.
        const isNamed = Object.keys(this.bindings()).length > 0;
        const leftOut = isNamed ? 0 : leftOutBefore(fields, words);
        if (leftOut === null) return;
        if (leftOut > 0) Object.assign(args, [{ ...fields as object, left_out: leftOut }]);
        method.apply(this, args);
      },
    },
  }, output);
}

/** Message and stack only: a database error's details quote the values of the row. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: maskNumbers(wordsOf(error)) };
  const { code } = error as { code?: unknown };
  const message = maskNumbers(wordsOf(error));
  return {
    type: error.name,
    message,
    // The stack begins with the message as it was.
    stack: error.stack?.split('\n').filter((line) => /^\s+at /.test(line)).join('\n'),
    ...(typeof code === 'string' ? { code } : {}),
    ...(error.cause === undefined ? {} : { cause: maskNumbers(wordsOf(error.cause)) }),
  };
}

/** Some libraries throw what is no Error; of several faults at once each says what it is. */
function wordsOf(fault: unknown, levelsLeft = 3): string {
  const { message, errors, code } = (fault ?? {}) as {
    readonly message?: unknown; readonly errors?: unknown; readonly code?: unknown;
  };
  const isQuoting = typeof code === 'string' && DATA_EXCEPTION.test(code);
  if (typeof message === 'string' && message !== '') {
    return isQuoting ? message.replaceAll(/"[^"]*"/g, MASK) : message;
  }
  if (Array.isArray(errors) && levelsLeft > 0) {
    return errors.map((each) => wordsOf(each, levelsLeft - 1)).join('; ');
  }
  return String(fault);
}

function maskNumbers(text: string): string {
  return text.replaceAll(LONG_NUMBER, MASK);
}
