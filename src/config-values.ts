import { BlockList, isIP } from 'node:net';
import { z } from 'zod';

/** Shorter keys can be guessed; 32 characters of base64 carry 192 bits. */
export const SECRET_LENGTH_MIN = 32;

/** A port to listen at, from 1 to 65535. */
export function port(name: string, fallback: number): z.ZodType<number, string | undefined> {
  return integer(name, { fallback, min: 1, max: 65_535 });
}

/** A whole number of at most nine digits, both bounds included. */
export function integer(
  name: string,
  range: {
    readonly fallback: number;
    readonly min: number;
    readonly max: number;
    /** Shown as a good value where the fallback stands for something: 0 for no limit. */
    readonly example?: number;
  },
): z.ZodType<number, string | undefined> {
  const message = `${name} must be a whole number from ${range.min} to ${range.max}, `
    + `e.g. ${name}=${range.example ?? range.fallback}`;
  return z.string().default(String(range.fallback))
    .refine((text) => /^[0-9]{1,9}$/.test(text)
      && Number(text) >= range.min && Number(text) <= range.max, { message })
    .transform(Number);
}

/** An IP address, or a name; whether it is of this machine is seen when it is listened at. */
export function host(name: string, fallback: string): z.ZodType<string, string | undefined> {
  const message = `${name} must be an IP address or the name of a host, e.g. ${name}=${fallback}`;
  return z.string().default(fallback).refine((text) => isIP(text) !== 0 || isHostName(text), {
    message,
  });
}

/** What ends in digits alone is an address, and a wrong one. */
function isHostName(text: string): boolean {
  const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;
  const labels = text.split('.');
  return labels.every((each) => label.test(each)) && !/^[0-9]+$/.test(labels.at(-1) ?? '');
}

/** An address of PostgreSQL that names a role; null where none is set. */
export function databaseUrl(name: string): z.ZodType<string | null, string | undefined> {
  const message = `${name} must be a PostgreSQL address, `
    + `e.g. ${name}=postgresql://user:password@127.0.0.1:5432/topup`;
  return z.string().optional()
    .refine((text) => text === undefined || isPostgresUrl(text), { message })
    .transform((text) => text ?? null);
}

function isPostgresUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^postgres(ql)?:$/.test(url.protocol) && url.username !== ''
    // A password with a plain % cannot be decoded.
    && !/%(?![0-9a-f]{2})/i.test(text);
}

/** smtp: or smtps:, with a host. */
export function isSmtpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^smtps?:$/.test(url.protocol) && url.hostname !== '';
}

/** An address by itself, or behind a name: `Top-ups <orders@example.com>`. */
export function isSender(text: string): boolean {
  return /^(?:[^\p{Cc}<>"@,;:\\]+ <[^\s<>@]+@[^\s<>@]+>|[^\s<>@,;]+@[^\s<>@,;]+)$/u.test(text);
}

/** One of these words; the first where it is absent. */
export function oneOf<Value extends string>(
  name: string,
  values: readonly [Value, ...Value[]],
  message = `${name} must be one of ${values.join(', ')}, e.g. ${name}=${values[0]}`,
): z.ZodType<Value, string | undefined> {
  return z.enum(values, { message }).default(values[0]) as z.ZodType<Value, string | undefined>;
}

/** Empty where it is absent. */
export function oneOfOrNone<Value extends string>(
  name: string,
  values: readonly [Value, ...Value[]],
): z.ZodType<Value | '', string | undefined> {
  const message = `${name} must be ${values.join(' or ')} or left out, e.g. ${name}=${values[0]}`;
  return oneOf<Value | ''>(name, ['', ...values], message);
}

/** A key of enough characters; undefined where it is absent. */
export function secret(name: string): z.ZodType<string | undefined, string | undefined> {
  const message = `${name} must have at least ${SECRET_LENGTH_MIN} characters, `
    + `e.g. from: openssl rand -base64 32`;
  return z.string().min(SECRET_LENGTH_MIN, { message }).optional();
}

/** "a, b,," -> "a" and "b". */
export function splitList(text: string): readonly string[] {
  return text.split(',').map((each) => each.trim()).filter((each) => each !== '');
}

/** An address with the length of its network's prefix in bits: 10.0.0.0/8, fd00::/8. */
export function isNetwork(text: string): boolean {
  const [address = '', bits = '0', ...more] = text.split('/');
  const bitsMax = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return more.length === 0 && /^[0-9]{1,3}$/.test(bits) && Number(bits) <= bitsMax;
}

/** What a browser calls an origin, `:*` for any port of it, or `*`. */
export function isOrigin(text: string): boolean {
  const bare = text.replace(/:\*$/, '');
  if (text === '*') return true;
  const url = URL.parse(bare);
  return /^https?:[^*]+$/.test(bare) && url?.origin === bare && (bare === text || url.port === '');
}

/** Keys by code of `code=key[:oldkey],...`; null where it reads otherwise, or has a code twice. */
export function parseSupplierKeys(text: string): Record<string, readonly string[]> | null {
  const pairs = text.split(',').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at).trim(), pair.slice(at + 1).split(':')] as const;
  });
  const isRight = pairs.every(([code, keys]) => /^[a-z][a-z0-9-]*$/.test(code)
    && keys.every((key) => key.length >= SECRET_LENGTH_MIN));
  // Of two entries one would be lost, as the old key is that belongs behind a colon.
  const isEachOnce = new Set(pairs.map(([code]) => code)).size === pairs.length;
  return isRight && isEachOnce ? Object.fromEntries(pairs) : null;
}

/** Where no supplier is: this host's own unknown self, metadata of a cloud, groups of hosts. */
const NOBODY = new BlockList();
for (const [network, bits] of [['0.0.0.0', 8], ['169.254.0.0', 16], ['224.0.0.0', 3]] as const) {
  NOBODY.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [['::', 128], ['fe80::', 10], ['ff00::', 8]] as const) {
  NOBODY.addSubnet(network, bits, 'ipv6');
}
/** Shells, mail, databases: a request of ours there would be a slip, or somebody's trick. */
const OTHER_PORTS = new Set(['22', '23', '25', '465', '587', '3306', '5432', '6379']);

/**
 * Whether a supplier can be called there. The operator names it, in a table that only the owner
 * may write, so a neighbour on this machine or in a private network may be one.
 */
export function isSupplierAddress(baseUrl: string): boolean {
  const url = URL.parse(baseUrl);
  if (url === null) return false;
  const { protocol, username, password, hostname, port, search, hash } = url;
  const host = hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  return /^https?:$/.test(protocol)
    && `${username}${password}${search}${hash}` === ''
    && !OTHER_PORTS.has(port)
    && (family === 0 || !NOBODY.check(host, family === 4 ? 'ipv4' : 'ipv6'));
}
