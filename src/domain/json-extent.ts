const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/** How large a JSON text is before anybody reads it; any answer will do for no JSON. */
export interface JsonExtent {
  /** Levels of objects and lists, one inside the other. Some parsers recurse once a level. */
  readonly depth: number;
  /** Values at most. */
  readonly valueCount: number;
}

/** Measures a text that was not parsed. */
export function jsonExtentOf(text: string): JsonExtent {
  let [depth, level, valueCount, isInText] = [0, 0, 1, false];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (isInText) {
      if (code === BACKSLASH) at += 1;
      else if (code === QUOTE) isInText = false;
    } else if (code === QUOTE) {
      isInText = true;
    } else if (code === COMMA) {
      valueCount += 1;
    } else if (code === 0x7b || code === 0x5b) {
      level += 1;
      depth = Math.max(depth, level);
    } else if (code === 0x7d || code === 0x5d) {
      level -= 1;
    }
  }
  return { depth, valueCount };
}
