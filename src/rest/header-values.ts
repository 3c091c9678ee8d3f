/**
 * All values of a header that were sent, by its name in lower case: Node itself keeps only the
 * first of some, and makes an object of all headers for it.
 */
export function headerValues(rawHeaders: readonly string[], name: string): readonly string[] {
  const isNamed = (text = ''): boolean =>
    text.length === name.length && text.toLowerCase() === name;
  return rawHeaders.filter((_, at) => at % 2 === 1 && isNamed(rawHeaders[at - 1]));
}
