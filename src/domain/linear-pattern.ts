import {
  parsePattern, PatternFault, type CharRange, type PatternNode,
} from './pattern-syntax.ts';

/** Characters that a pattern may stand for, counted repeats written out. */
const POSITIONS_MAX = 1000;
const STEPS_MAX = 50_000;
/** Repeats of nothing take no position, and are counted as well. */
const PARTS_MAX = 10_000;
const PATTERN_LENGTH_MAX = 500;

/**
 * Why a pattern cannot be used, or null where it can. A pattern may be used where at each character
 * at most one way leads on: then no text makes the matcher try ways again, and its time is linear.
 */
export function patternFault(pattern: string): string | null {
  try {
    if (pattern.length > PATTERN_LENGTH_MAX) throw new PatternFault('is too long');
    assertRegExp(pattern);
    new Ways().assertOneWay(parsePattern(pattern));
    return null;
  } catch (error) {
    if (error instanceof PatternFault) return error.message;
    throw error;
  }
}

function assertRegExp(pattern: string): void {
  try {
    new RegExp(`^(?:${pattern})$`, 'u');
  } catch {
    throw new PatternFault('is no regular expression');
  }
}

/** Where a part of a pattern can begin and end, as positions; and whether it can be nothing. */
interface Part {
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly isNullable: boolean;
}

const NOTHING: Part = { first: [], last: [], isNullable: true };

/** Glushkov's automaton of a pattern: its positions, and which may follow which. */
class Ways {
  readonly #ranges: (readonly CharRange[])[] = [];
  readonly #follow: Set<number>[] = [];
  #stepCount = 0;
  #partCount = 0;

  assertOneWay(node: PatternNode): void {
    const { first } = this.#part(node);
    for (const next of [first, ...this.#follow]) this.#assertApart([...next]);
  }

  #part(node: PatternNode): Part {
    this.#partCount += 1;
    if (this.#partCount > PARTS_MAX) throw new PatternFault('is too large');
    switch (node.kind) {
      case 'CHARS':
        return this.#position(node.ranges);
      case 'SEQUENCE':
        return node.parts.reduce((before, part) => this.#then(before, this.#part(part)), NOTHING);
      case 'CHOICE':
        return this.#either(node.options.map((option) => this.#part(option)));
      case 'REPEAT':
        return this.#repeat(node);
    }
  }

  #position(ranges: readonly CharRange[]): Part {
    const position = this.#ranges.push(ranges) - 1;
    if (position >= POSITIONS_MAX) throw new PatternFault('is too large');
    this.#follow.push(new Set());
    return { first: [position], last: [position], isNullable: false };
  }

  #then(before: Part, after: Part): Part {
    this.#lead(before.last, after.first);
    return {
      first: before.isNullable ? [...before.first, ...after.first] : before.first,
      last: after.isNullable ? [...before.last, ...after.last] : after.last,
      isNullable: before.isNullable && after.isNullable,
    };
  }

  #either(options: readonly Part[]): Part {
    const nullable = options.filter(({ isNullable }) => isNullable);
    if (nullable.length > 1) throw ambiguous();
    return {
      first: options.flatMap(({ first }) => first),
      last: options.flatMap(({ last }) => last),
      isNullable: nullable.length === 1,
    };
  }

  #repeat({ body, min, max }: Extract<PatternNode, { kind: 'REPEAT' }>): Part {
    let whole = NOTHING;
    for (let count = 1; count < min; count += 1) whole = this.#then(whole, this.#part(body));
    if (max === Infinity) {
      const looped = this.#part(body);
      this.#lead(looped.last, looped.first);
      return this.#then(whole, min === 0 ? this.#optional(looped) : looped);
    }
    if (min > 0) whole = this.#then(whole, this.#part(body));
    // x{0,3} is (x(x(x)?)?)?: each further one needs the one before.
    let rest = NOTHING;
    for (let count = min; count < max; count += 1) {
      rest = this.#optional(this.#then(this.#part(body), rest));
    }
    return this.#then(whole, rest);
  }

  #optional(part: Part): Part {
    if (part.isNullable && part.first.length > 0) throw ambiguous();
    return { ...part, isNullable: true };
  }

  /** A step that is there already would be a second way to take it. */
  #lead(from: readonly number[], to: readonly number[]): void {
    this.#stepCount += from.length * to.length;
    if (this.#stepCount > STEPS_MAX) throw new PatternFault('is too large');
    for (const position of from) {
      const follow = this.#follow[position];
      for (const next of to) {
        if (follow?.has(next) === true) throw ambiguous();
        follow?.add(next);
      }
    }
  }

  #assertApart(positions: readonly number[]): void {
    const ranges = positions.map((position) => this.#ranges[position] ?? [])
      .map(merged)
      .flat()
      .sort((a, b) => a.from - b.from);
    for (const [at, range] of ranges.entries()) {
      const before = ranges[at - 1];
      if (before !== undefined && before.to >= range.from) throw ambiguous();
    }
  }
}

/** One position may name a character twice, as in [\w-z]; that is no second way. */
function merged(ranges: readonly CharRange[]): readonly CharRange[] {
  const apart: CharRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const before = apart.at(-1);
    if (before === undefined || before.to < range.from) apart.push(range);
    else apart[apart.length - 1] = { from: before.from, to: Math.max(before.to, range.to) };
  }
  return apart;
}

function ambiguous(): PatternFault {
  return new PatternFault('can match one text in several ways, which may take for ever');
}
