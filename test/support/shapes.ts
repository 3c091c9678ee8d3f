/** The form of a JSON value: names and types, no values. */
export type Shape = string | readonly [Shape] | { readonly [key: string]: Shape };

const EMPTY = 'empty';

export function shapeOf(value: unknown): Shape {
  if (value === null) return 'null';
  if (Array.isArray(value)) return [value.map(shapeOf).reduce(union, EMPTY)];
  if (typeof value !== 'object') return typeof value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => [key, shapeOf(each)]));
}

/** Everything that either has. */
export function union(one: Shape, other: Shape): Shape {
  if (one === EMPTY) return other;
  if (other === EMPTY) return one;
  if (isList(one) && isList(other)) return [union(one[0], other[0])];
  if (isMap(one) && isMap(other)) {
    const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
    return Object.fromEntries(keys.map((key) => (
      [key, union(one[key] ?? EMPTY, other[key] ?? EMPTY)]
    )));
  }
  const words = `${word(one)}|${word(other)}`.split('|');
  return [...new Set(words)].sort().join('|');
}

/** The places where `now` has lost, or retyped, what `frozen` has. */
export function broken(frozen: Shape, now: Shape, at = ''): readonly string[] {
  if (frozen === EMPTY || now === EMPTY) return [];
  if (isList(frozen) && isList(now)) return broken(frozen[0], now[0], `${at}[]`);
  if (isMap(frozen) && isMap(now)) {
    return Object.entries(frozen).flatMap(([key, shape]) => {
      const found = now[key];
      const place = `${at}.${key}`;
      return found === undefined ? [`${place} is gone`] : broken(shape, found, place);
    });
  }
  const known = word(frozen).split('|');
  const isKnown = word(now).split('|').every((each) => known.includes(each));
  return isKnown ? [] : [`${at} was ${word(frozen)} and is ${word(now)}`];
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}

function isMap(shape: Shape): shape is { readonly [key: string]: Shape } {
  return typeof shape === 'object' && !Array.isArray(shape);
}

function word(shape: Shape): string {
  if (typeof shape === 'string') return shape;
  return isList(shape) ? 'list' : 'object';
}
