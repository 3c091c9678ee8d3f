/**
 * A reference that nobody else makes: 32 hexadecimal digits. A page over plain HTTP has no
 * `crypto.randomUUID`, unless it comes from the machine it is read on. (The gateway's own pages
 * have the same: they stand alone, as this client does.)
 */
export function newReference(): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, '0'),
  ).join('');
}
