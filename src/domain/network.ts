import ipaddr from 'ipaddr.js';

/** Addresses that belong together, as operators write them: "203.0.113.0/24", "2001:db8::/32". */
export type Network = readonly [base: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

/** A network, or one address; null where the text is neither. */
export function parseNetwork(text: string): Network | null {
  try {
    if (text.includes('/')) return asCompared(ipaddr.parseCIDR(text));
    const address = ipaddr.process(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch {
    return null;
  }
}

/** How many of the bits of ::ffff:203.0.113.0/120 stand before those of the IPv4 address. */
const MAPPED_BITS = 96;

/** One of IPv4 that is written as IPv6 is one of IPv4, as the addresses are that it is held to. */
function asCompared([base, bits]: Network): Network {
  const isMapped = 'isIPv4MappedAddress' in base && base.isIPv4MappedAddress();
  return isMapped && bits >= MAPPED_BITS ? [base.toIPv4Address(), bits - MAPPED_BITS]
    : [base, bits];
}

/** Whether one of the networks has the address. What is no address is in none. */
export function isInNetworks(address: string, networks: readonly Network[]): boolean {
  if (networks.length === 0 || !ipaddr.isValid(address)) return false;
  // An IPv4 caller of a socket that listens on both shows up as ::ffff:203.0.113.7.
  const one = ipaddr.process(address);
  return networks.some(([base, bits]) => one.kind() === base.kind() && one.match([base, bits]));
}

/**
 * Who is counted as one stranger: an IPv4 address, or the /64 of an IPv6 one, in which everybody
 * can take as many addresses as they like.
 */
export function strangerOf(address: string): string {
  if (!ipaddr.isValid(address)) return 'unknown';
  const one = ipaddr.process(address);
  if (one.kind() === 'ipv4') return one.toString();
  return `${one.toNormalizedString().split(':').slice(0, 4).join(':')}::/64`;
}
