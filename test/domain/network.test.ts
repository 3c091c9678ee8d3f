import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import {
  isInNetworks, parseNetwork, strangerOf, type Network,
} from '../../src/domain/network.ts';
import { createAddressOf } from '../../src/rest/peer-address.ts';

const networks = (...texts: string[]): readonly Network[] =>
  texts.map((text) => parseNetwork(text) ?? expect.fail(text));

describe('isInNetworks', () => {
  test.each([
    ['203.0.113.7', '203.0.113.0/24', true], ['203.0.114.7', '203.0.113.0/24', false],
    ['203.0.113.7', '203.0.113.7', true], ['203.0.113.8', '203.0.113.7', false],
    ['2001:db8::1', '2001:db8::1', true], ['2001:db8::2', '2001:db8::1', false],
    ['::ffff:203.0.113.7', '203.0.113.0/24', true],
    ['2001:db8::1', '2001:db8::/32', true], ['2001:db9::1', '2001:db8::/32', false],
    ['203.0.113.7', '::/0', false], ['::1', '0.0.0.0/0', false], ['', '0.0.0.0/0', false],
    ['nonsense', '0.0.0.0/0', false],
    ['203.0.113.7', '::ffff:203.0.113.0/120', true], ['203.0.114.7', '::ffff:cb00:7100/120', false],
    ['::ffff:203.0.113.7', '::ffff:203.0.113.7/128', true], ['203.0.113.7', '::ffff:0:0/96', true],
    ['203.0.113.7', '::ffff:0:0/95', false],
  ])('%s in %s: %s', (address, network, isIn) => {
    expect(isInNetworks(address, networks(network))).toBe(isIn);
  });

  test('knows what is no network', () => {
    expect(['x', '', '1.2.3.4/33', '::1/129', 'a/b'].map(parseNetwork))
      .toEqual([null, null, null, null, null]);
  });
});

test.each([
  ['203.0.113.7', '203.0.113.7'], ['::ffff:203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'], ['2001:db8:1:2:ffff::', '2001:db8:1:2::/64'],
  ['nonsense', 'unknown'],
])('%s is counted as %s', (address, stranger) => {
  expect(strangerOf(address)).toBe(stranger);
});

describe('the address of a request', () => {
  const addressOf = (proxies: readonly string[], peer: string, forwarded?: string): string =>
    createAddressOf(networks(...proxies))({
      socket: { remoteAddress: peer },
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    } as unknown as IncomingMessage);

  test.each<[string, readonly string[], string, string | undefined, string]>([
    ['without proxies', [], '198.51.100.1', '203.0.113.7', '198.51.100.1'],
    ['from a stranger', ['10.0.0.0/8'], '198.51.100.1', '203.0.113.7', '198.51.100.1'],
    ['from a proxy', ['10.0.0.0/8'], '10.0.0.1', '203.0.113.7', '203.0.113.7'],
    ['through two proxies', ['10.0.0.0/8'], '10.0.0.1', '203.0.113.7, 10.0.0.2', '203.0.113.7'],
    ['spoofed in front of a proxy', ['10.0.0.0/8'], '10.0.0.1', '127.0.0.1, 203.0.113.7',
      '203.0.113.7'],
    ['with nonsense', ['10.0.0.0/8'], '10.0.0.1', '203.0.113.7, x', '10.0.0.1'],
    ['with a network', ['10.0.0.0/8'], '10.0.0.1', '0.0.0.0/0', '10.0.0.1'],
    ['from a proxy that says nothing', ['10.0.0.0/8'], '10.0.0.1', undefined, '10.0.0.1'],
    ['with a port', ['10.0.0.0/8'], '10.0.0.1', '203.0.113.7:4711, 10.0.0.2:80', '203.0.113.7'],
    ['over IPv6 with a port', ['::1'], '::1', '[2001:db8::7]:4711', '2001:db8::7'],
    ['over IPv6', ['::1'], '::1', '2001:db8::7', '2001:db8::7'],
  ])('%s', (_name, proxies, peer, forwarded, address) => {
    expect(addressOf(proxies, peer, forwarded)).toBe(address);
  });
});
