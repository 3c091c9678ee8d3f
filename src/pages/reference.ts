/**
 * A reference that nobody else makes: 32 hexadecimal digits. Pages over plain HTTP have no
 * `crypto.randomUUID`, unless they come from this very machine.
 */
export function newReference(): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, '0'),
  ).join('');
}
