/** Code points from `from` to `to`, both included. */
export interface CharRange {
  readonly from: number;
  readonly to: number;
}

/** A regular expression as far as catalogue patterns may go. */
export type PatternNode =
  | { readonly kind: 'CHARS'; readonly ranges: readonly CharRange[] }
  | { readonly kind: 'SEQUENCE'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'CHOICE'; readonly options: readonly PatternNode[] }
  | {
      readonly kind: 'REPEAT'; readonly body: PatternNode;
      readonly min: number; readonly max: number;
    };

/** The pattern is not one that a catalogue may have; the message says why. */
export class PatternFault extends Error {}

const LAST_CODE_POINT = 0x10ffff;
const ANYTHING: CharRange = { from: 0, to: LAST_CODE_POINT };
const ANY: readonly CharRange[] = [ANYTHING];
const DIGIT = rangesOf('09');
const WORD = rangesOf('09AZ__az');
const SPACE = rangesOf('\t\r  \u00a0\u00a0\u1680\u1680\u2000\u200a\u2028\u2029\u202f\u202f'
  + '\u205f\u205f\u3000\u3000\ufeff\ufeff');
const CLASSES: Readonly<Record<string, readonly CharRange[]>> = {
  d: DIGIT, w: WORD, s: SPACE, D: inverted(DIGIT), W: inverted(WORD), S: inverted(SPACE),
};
const CONTROLS: Readonly<Record<string, string>> =
  { t: '\t', n: '\n', r: '\r', f: '\f', v: '\v', 0: '\0' };

/** Reads a pattern that RegExp has accepted with the flag u. @throws PatternFault */
export function parsePattern(pattern: string): PatternNode {
  const parser = new PatternParser(pattern.replace(/^\^/, '').replace(/(?<!\\)\$$/, ''));
  return parser.whole();
}

class PatternParser {
  readonly #text: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#text = [...text];
  }

  whole(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#text.length) throw new PatternFault('has an unmatched bracket');
    return node;
  }

  #choice(): PatternNode {
    const options = [this.#sequence()];
    while (this.#skip('|')) options.push(this.#sequence());
    return options.length === 1 && options[0] !== undefined
      ? options[0]
      : { kind: 'CHOICE', options };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    for (let next = this.#peek(); next !== undefined && !'|)'.includes(next);) {
      parts.push(this.#repeated(this.#atom()));
      next = this.#peek();
    }
    return { kind: 'SEQUENCE', parts };
  }

  #atom(): PatternNode {
    const char = this.#take();
    if (char === '(') return this.#group();
    if (char === '[') return { kind: 'CHARS', ranges: this.#set() };
    if (char === '.') return { kind: 'CHARS', ranges: ANY };
    if (char === '^' || char === '$') throw new PatternFault(`has a ${char} inside`);
    return { kind: 'CHARS', ranges: char === '\\' ? this.#escape() : single(char) };
  }

  #group(): PatternNode {
    if (this.#skip('?') && !this.#skip(':')) {
      if (!this.#skip('<') || '=!'.includes(this.#peek() ?? '=')) {
        throw new PatternFault('looks around');
      }
      while (this.#take() !== '>');
    }
    const node = this.#choice();
    this.#take();
    return node;
  }

  #repeated(body: PatternNode): PatternNode {
    const bounds = this.#bounds();
    if (bounds === null) return body;
    // Lazy or greedy: where one character decides, both go the same way.
    this.#skip('?');
    return { kind: 'REPEAT', body, ...bounds };
  }

  #bounds(): { min: number; max: number } | null {
    if (this.#skip('*')) return { min: 0, max: Infinity };
    if (this.#skip('+')) return { min: 1, max: Infinity };
    if (this.#skip('?')) return { min: 0, max: 1 };
    if (!this.#skip('{')) return null;
    let text = '';
    for (let char = this.#take(); char !== '}'; char = this.#take()) text += char;
    const [min = '', max = min] = text.split(',');
    return { min: Number(min), max: max === '' ? Infinity : Number(max) };
  }

  #set(): readonly CharRange[] {
    const isInverted = this.#skip('^');
    const ranges: CharRange[] = [];
    while (!this.#skip(']')) {
      const [from, ...others] = this.#member();
      const isRange = this.#peek() === '-' && this.#text[this.#at + 1] !== ']';
      if (from !== undefined && others.length === 0 && isRange) {
        this.#take();
        ranges.push({ from: from.from, to: this.#member()[0]?.to ?? LAST_CODE_POINT });
      } else if (from !== undefined) {
        ranges.push(from, ...others);
      }
    }
    // Inverted, what may be any character (see \p) may be any other as well.
    return isInverted && !ranges.includes(ANYTHING) ? inverted(ranges) : ranges;
  }

  #member(): readonly CharRange[] {
    const char = this.#take();
    if (char !== '\\') return single(char);
    return this.#skip('b') ? single('\b') : this.#escape();
  }

  #escape(): readonly CharRange[] {
    const char = this.#take();
    const named = CLASSES[char];
    if (named !== undefined) return named;
    if (/[1-9kbB]/.test(char)) throw new PatternFault('looks back or around');
    if (char === 'x') return this.#code(2);
    if (char === 'u') return this.#unicode();
    if (char === 'c') return single(String.fromCodePoint((this.#take().codePointAt(0) ?? 0) % 32));
    if (char === 'p' || char === 'P') {
      while (this.#take() !== '}');
      // Whatever the property is, it is taken for every character: refused too often, never wrongly
      // accepted.
      return ANY;
    }
    return single(CONTROLS[char] ?? char);
  }

  #unicode(): readonly CharRange[] {
    const [range] = this.#skip('{') ? this.#bracedCode() : this.#code(4);
    // Two halves would be one character to RegExp, which another part may name as well.
    if (range.from >= 0xd800 && range.from <= 0xdfff) {
      throw new PatternFault('names half of a character');
    }
    return [range];
  }

  #bracedCode(): readonly [CharRange] {
    let digits = '';
    for (let char = this.#take(); char !== '}'; char = this.#take()) digits += char;
    return single(String.fromCodePoint(Number.parseInt(digits, 16)));
  }

  #code(length: number): readonly [CharRange] {
    let digits = '';
    while (digits.length < length) digits += this.#take();
    return single(String.fromCodePoint(Number.parseInt(digits, 16)));
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #take(): string {
    const char = this.#text[this.#at];
    if (char === undefined) throw new PatternFault('ends too early');
    this.#at += 1;
    return char;
  }

  #skip(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }
}

function single(char: string): readonly [CharRange] {
  const code = char.codePointAt(0) ?? 0;
  return [{ from: code, to: code }];
}

/** '09az' -> 0 to 9 and a to z. */
function rangesOf(pairs: string): readonly CharRange[] {
  const codes = [...pairs].map((char) => char.codePointAt(0) ?? 0);
  return codes.filter((_, at) => at % 2 === 0)
    .map((from, at) => ({ from, to: codes[2 * at + 1] ?? from }));
}

function inverted(ranges: readonly CharRange[]): readonly CharRange[] {
  const gaps: CharRange[] = [];
  let next = 0;
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    if (from > next) gaps.push({ from: next, to: from - 1 });
    next = Math.max(next, to + 1);
  }
  return next <= LAST_CODE_POINT ? [...gaps, { from: next, to: LAST_CODE_POINT }] : gaps;
}
