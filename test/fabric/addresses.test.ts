import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openAddresses } from '../../local/azure/fabric/addresses.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fabric-addresses-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('a resource keeps its addresses over a restart, whatever the letter case of its id', () => {
  const first = openAddresses(dir, '127.9');
  const nic = first.nic('/nics/A');
  const vault = first.allocate('vault', '/vaults/v');
  first.close();
  const second = openAddresses(dir, '127.9');
  expect(second.nic('/NICS/a')).toEqual(nic);
  expect(second.allocate('vault', '/vaults/v')).toBe(vault);
  second.close();
});

test('no two resources share an address', () => {
  const addresses = openAddresses(dir, '127.9');
  const all = Array.from({ length: 600 }, (_, at) => addresses.nic(`/nics/${at}`)).flatMap((nic) => Object.values(nic));
  expect(new Set(all).size).toBe(1800);
  addresses.close();
});

test('a resource that is made again gets its address back, and nobody else before the fresh ones are used up', () => {
  const addresses = openAddresses(dir, '127.9');
  const former = Array.from({ length: 8 * 254 }, (_, at) => addresses.allocate('vault', `/vaults/${at}`));
  for (const at of [7, 5, 6]) addresses.release('vault', `/vaults/${at}`);
  expect(addresses.allocate('vault', '/vaults/7')).toBe(former[7]);
  expect(addresses.allocate('vault', '/vaults/new')).toBe(former[5]);
  expect(addresses.allocate('vault', '/vaults/newer')).toBe(former[6]);
  addresses.close();
});

test('every address is one of the claimed network that Linux can bind', () => {
  const addresses = openAddresses(dir, '127.9');
  for (let at = 0; at < 300; at += 1) {
    const { wire, inner, lo } = addresses.nic(`/nics/${at}`);
    for (const address of [wire, inner, lo])
      expect(address).toMatch(/^127\.9\.\d{1,3}\.([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-4])$/);
  }
  addresses.close();
});

test('a kind whose addresses are used up says so', () => {
  const addresses = openAddresses(dir, '127.9');
  for (let at = 0; at < 8 * 254; at += 1) addresses.allocate('vault', `/vaults/${at}`);
  expect(() => addresses.allocate('vault', '/vaults/one-too-many')).toThrow(/one-too-many/);
  addresses.close();
});
