import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {AddressRanges, clientOf, isLoopback, limitKey} from './client.ts';

const trusted = new AddressRanges(['10.0.0.0/8', '192.0.2.7', 'fd00::/8'], 'ranges');

type Case = [why: string, peer: string, headers: Record<string, string>, address: string, isLocal: boolean];

const cases: Case[] = [
  ['a program of this machine', '127.0.0.1', {}, '127.0.0.1', true],
  ['one that came by the mapped address', '::ffff:127.0.0.9', {}, '::ffff:127.0.0.9', true],
  ['a stranger', '198.51.100.4', {}, '198.51.100.4', false],
  [
    'a stranger who claims to be another is believed nothing',
    '198.51.100.4',
    {'x-forwarded-for': '203.0.113.1', 'x-real-ip': '203.0.113.2', 'x-forwarded-proto': 'https'},
    '198.51.100.4',
    false,
  ],
  ['a proxy on this machine', '127.0.0.1', {'x-forwarded-for': '203.0.113.1'}, '203.0.113.1', false],
  ['a trusted proxy', '10.1.2.3', {'x-forwarded-for': '203.0.113.1'}, '203.0.113.1', false],
  ['a trusted proxy that asks for itself', '10.1.2.3', {}, '10.1.2.3', false],
  [
    'what the client wrote stands left of what the proxy saw',
    '10.1.2.3',
    {'x-forwarded-for': '1.1.1.1, 203.0.113.1'},
    '203.0.113.1',
    false,
  ],
  ['a chain of proxies', '::1', {'x-forwarded-for': '1.1.1.1, 203.0.113.1, 192.0.2.7, fd00::5'}, '203.0.113.1', false],
  ['trusted ones alone: the first', '::1', {'x-forwarded-for': '10.0.0.1, 10.0.0.2'}, '10.0.0.1', false],
  ['a port', '::1', {'x-forwarded-for': '203.0.113.1:4711'}, '203.0.113.1', false],
  ['a port of IPv6', '::1', {'x-forwarded-for': '[2001:db8::1]:4711'}, '2001:db8::1', false],
  ['X-Real-IP where there is no other', '::1', {'x-real-ip': '203.0.113.9'}, '203.0.113.9', false],
  ['Forwarded tells that there is a proxy, though not who', '::1', {forwarded: 'for=127.0.0.1'}, '::1', false],
  ['so does Via', '127.0.0.1', {via: '1.1 proxy'}, '127.0.0.1', false],
];

for (const [why, peer, headers, address, isLocal] of cases) {
  test(`client: ${why}`, () => {
    const client = clientOf(peer, headers, trusted);
    assert.deepEqual({address: client.address, isLocal: client.isLocal}, {address, isLocal});
  });
}

test('https is what the nearest proxy says, if it is trusted', () => {
  const of = (peer: string, proto: string) => clientOf(peer, {'x-forwarded-proto': proto}, trusted).isSecure;
  assert.equal(of('10.0.0.1', 'https'), true);
  assert.equal(of('10.0.0.1', 'https, http'), false);
  assert.equal(of('198.51.100.4', 'https'), false);
});

const refused: [why: string, headers: Record<string, string>][] = [
  ['this machine', {'x-forwarded-for': '127.0.0.1'}],
  ['this machine by another of its addresses', {'x-forwarded-for': '203.0.113.1, 127.9.9.9'}],
  ['this machine by IPv6', {'x-real-ip': '::1'}],
  ['this machine by the mapped address', {'x-real-ip': '::ffff:127.0.0.1'}],
  ['no address', {'x-forwarded-for': 'unknown'}],
  ['nothing', {'x-forwarded-for': ''}],
  ['a name', {'x-forwarded-for': 'localhost'}],
  ['two real addresses', {'x-real-ip': '203.0.113.1, 203.0.113.2'}],
  ['a line break that became a blank', {'x-forwarded-for': '203.0.113.1 GET /'}],
];

for (const [why, headers] of refused) {
  test(`a forwarded address is refused: ${why}`, () => {
    assert.throws(() => clientOf('127.0.0.1', headers, trusted), {code: 'INVALID_INPUT'});
  });
}

const keys: [why: string, address: string, key: string][] = [
  ['IPv4', '203.0.113.1', '203.0.113.1'],
  ['the mapped address is the same client', '::ffff:203.0.113.1', '203.0.113.1'],
  ['all addresses of one /64 are one client', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2/64'],
  ['however it is written', '2001:DB8:1:2::1', '2001:db8:1:2/64'],
  ['zeros left out before the end of the network', '2001:db8::1', '2001:db8:0:0/64'],
  ['zeros left out at the end', '2001:db8:1:2::', '2001:db8:1:2/64'],
  ['leading zeros', '2001:0db8:0001:0002:0003::', '2001:db8:1:2/64'],
  ['a dotted tail', '64:ff9b::192.0.2.1', '64:ff9b:0:0/64'],
  ['an interface', 'fe80::1%eth0', 'fe80:0:0:0/64'],
  ['this machine', '::1', '0:0:0:0/64'],
];

for (const [why, address, key] of keys) test(`limits count by: ${why}`, () => assert.equal(limitKey(address), key));

describe('ranges', () => {
  for (const bad of [
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/8/8',
    '10.0.0',
    'localhost',
    '',
    '10.0.0.0/',
    '10.0.0.0/-1',
  ]) {
    test(`refused: "${bad}"`, () => {
      assert.throws(() => new AddressRanges([bad], 'the.setting'), {code: 'INVALID_INPUT', message: /^the\.setting: /});
    });
  }

  test('an IPv4 range holds the mapped addresses too', () => {
    assert.ok(trusted.has('::ffff:10.1.1.1'));
    assert.ok(!trusted.has('::ffff:11.1.1.1'));
    assert.ok(!trusted.has('nonsense'));
  });
});

test('all of 127/8 is this machine, and names that only begin so are not', () => {
  for (const host of ['127.0.0.1', '127.255.0.3', '[::1]', 'LOCALHOST', '::ffff:127.0.0.1'])
    assert.ok(isLoopback(host), host);
  for (const host of ['127.0.0.1.example', 'localhost.example', '128.0.0.1', '', '::2'])
    assert.ok(!isLoopback(host), host);
});
