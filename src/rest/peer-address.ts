import type { IncomingMessage } from 'node:http';
import { isInNetworks, parseNetwork, type Network } from '../domain/network.ts';

/** From where a request, or the upgrade to a socket, came. */
export type AddressOf = (request: IncomingMessage) => string;

/** Some proxies add the port: 203.0.113.5:4711, [2001:db8::1]:4711. */
const WITH_PORT = /^(?:([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?)$/;

function withoutPort(entry: string): string {
  const [, v4, v6] = WITH_PORT.exec(entry) ?? [];
  return v4 ?? v6 ?? entry;
}

/**
 * X-Forwarded-For is believed only as far as trusted proxies wrote it: from the right, each entry
 * was added by the machine on its right. Without such a proxy it is what any caller may write.
 */
export function createAddressOf(trustedProxies: readonly Network[]): AddressOf {
  return ({ socket, headers }) => {
    const peer = socket.remoteAddress ?? '';
    if (trustedProxies.length === 0) return peer;
    const forwarded = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',')
      .map((entry) => withoutPort(entry.trim()));
    let address = peer;
    while (isInNetworks(address, trustedProxies)) {
      const next = forwarded.pop();
      if (next === undefined || parseNetwork(next) === null || next.includes('/')) break;
      address = next;
    }
    return address;
  };
}
