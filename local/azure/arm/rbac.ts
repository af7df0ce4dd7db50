import type { Rbac } from '../contract.ts';
import type { StateStore } from '../state.ts';
import type { Clock } from './clock.ts';
import type { ArmOptions } from './env.ts';
import { key, lastName, within } from './ids.ts';
import { builtInRoles, type Role } from './roles.ts';
import { asText } from './values.ts';

/** May a principal do something? By the stored role assignments, each of which acts only some time after it was made. */
export function makeRbac(state: StateStore, clock: Clock, options: ArmOptions): Rbac {
  const byId = new Map(builtInRoles.map((role) => [role.id, role]));
  return {
    allowed(objectId, action, scope, kind = 'action') {
      return state.list('Microsoft.Authorization/roleAssignments').some((assignment) => {
        if (assignment.properties.principalId !== objectId) return false;
        if (!within(scope === '' ? '/' : scope, asText(assignment.properties.scope))) return false;
        const acts = Number(assignment.internal.since ?? 0) + options.rolePropagationSeconds * 1000 * options.factor;
        if (clock.wall() < acts) return false;
        const role = byId.get(key(lastName(asText(assignment.properties.roleDefinitionId))));
        return role !== undefined && grants(role, action, kind);
      });
    },
  };
}

function grants(role: Role, action: string, kind: 'action' | 'dataAction'): boolean {
  if (kind === 'dataAction') return (role.dataActions ?? []).some((pattern) => matches(pattern, action));
  return (
    role.actions.some((pattern) => matches(pattern, action)) &&
    !(role.notActions ?? []).some((pattern) => matches(pattern, action))
  );
}

const patterns = new Map<string, RegExp>();

function matches(pattern: string, action: string): boolean {
  let regExp = patterns.get(pattern);
  if (regExp === undefined) {
    regExp = new RegExp(`^${pattern.split('*').map(RegExp.escape).join('.*')}$`, 'i');
    patterns.set(pattern, regExp);
  }
  return regExp.test(action);
}
