import { jsonExtentOf } from '../domain/json-extent.ts';
import { NumberText } from '../domain/money.ts';

/** No input type of ours has half as many levels. */
const DEPTH_MAX = 32;
/** No request needs a hundred, and a reviver is called for each: 32,000 took it 17 ms. */
const VALUES_MAX = 1_000;
/** Beside what it holds, a level of ours has an id and a type. */
const VALUES_OF_OURS = 2;

/** A number that a JavaScript number might change; written back into JSON as a plain number. */
class WrittenNumber extends NumberText {
  toJSON(): number {
    return Number(this.text);
  }
}

/** A number, or a part of a text that looks like one, that is no integer of 15 digits or fewer. */
const TELLING_NUMBER = /(?:^|[\s:,[])-?(?:[0-9]+[.eE]|[0-9]{16})/;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * `parseJson` of bytes, which must be UTF-8.
 * @throws SyntaxError, or TypeError for other bytes
 */
export function parseJsonBytes(bytes: Buffer, levelsOfOurs = 0): unknown {
  return parseJson(utf8.decode(bytes), levelsOfOurs);
}

/**
 * JSON.parse with `keepWrittenNumbers`, which most texts do not need.
 * @throws SyntaxError for what is no JSON, nested deeper than any request inside so many levels of
 * ours, or has more values than any
 */
export function parseJson(text: string, levelsOfOurs = 0): unknown {
  const { depth, valueCount } = jsonExtentOf(text);
  if (depth > DEPTH_MAX + levelsOfOurs) throw new SyntaxError('The JSON is nested too deeply');
  if (valueCount > VALUES_MAX + VALUES_OF_OURS * levelsOfOurs) {
    throw new SyntaxError('The JSON has too many values');
  }
  return TELLING_NUMBER.test(text) ? JSON.parse(text, keepWrittenNumbers) : JSON.parse(text);
}

/**
 * A reviver for JSON.parse: integers within 2^53 become numbers, every other number keeps its
 * text. So 4.9900000000000001 or 5.0 never reaches a scalar as if it had been 4.99 or 5.
 */
export function keepWrittenNumbers(
  _key: string,
  value: unknown,
  written?: { readonly source?: string },
): unknown {
  if (typeof value !== 'number') return value;
  const source = written?.source ?? '';
  return Number.isSafeInteger(value) && /^-?[0-9]+$/.test(source)
    ? value
    : new WrittenNumber(source);
}
