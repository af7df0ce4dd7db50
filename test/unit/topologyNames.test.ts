import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deterministicGuid, namesOf, peeringName, vaultName } from '../../shared/azure/names.ts';
import { parseJumpServerName } from '../../shared/jumpServerName.ts';

const place = { subscriptionId: '11111111-1111-4111-8111-111111111111', resourceGroup: 'molcajete-demo' };

/** Every name that a jump server may have. */
const anyName = fc.stringMatching(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/).filter((name) => {
  try {
    return parseJumpServerName(name) === name;
  } catch {
    return false;
  }
});

test('whatever the jump server is called, Azure takes the names that are made of it', () => {
  fc.assert(
    fc.property(anyName, (name) => {
      const names = namesOf(name, place);
      expect(vaultName(name, place, 'westeurope')).toMatch(/^(?=.{3,24}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
      expect(names.mysqlServer).toMatch(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/);
      for (const one of Object.values(names)) expect(one.length).toBeLessThanOrEqual(64);
    }),
  );
});

test('a vault has another name in another subscription, group or region, and the same in another letter case', () => {
  const made = [
    vaultName('demo', place, 'westeurope'),
    vaultName('demo', place, 'northeurope'),
    vaultName('demo', { ...place, resourceGroup: 'other' }, 'westeurope'),
    vaultName('demo', { ...place, subscriptionId: 'other' }, 'westeurope'),
  ];
  expect(new Set(made).size).toBe(made.length);
  expect(vaultName('demo', { ...place, resourceGroup: 'Molcajete-Demo' }, 'westeurope')).toBe(made[0]);
});

test('a peering keeps its name whatever the letter case of its network', () => {
  const id = `/subscriptions/${place.subscriptionId}/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/Hub`;
  expect(peeringName(id)).toBe(peeringName(id.toUpperCase()));
  expect(peeringName(id)).not.toBe(peeringName(`${id}2`));
});

test('the same role asked for twice is one assignment, by a valid GUID', () => {
  expect(deterministicGuid('a', 'b')).toBe(deterministicGuid('A', 'B'));
  expect(deterministicGuid('a', 'b')).not.toBe(deterministicGuid('a', 'c'));
  expect(deterministicGuid('a')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
