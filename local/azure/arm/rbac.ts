import type { Rbac } from '../contract.ts';
import type { StateStore, Stored } from '../state.ts';
import type { Clock } from './clock.ts';
import type { ArmOptions } from './env.ts';
import { key, lastName, within } from './ids.ts';
import { builtInRoles, type Role } from './roles.ts';
import { asText, objects } from './values.ts';

export const assignmentType = 'Microsoft.Authorization/roleAssignments';
export const definitionType = 'Microsoft.Authorization/roleDefinitions';

/** May a principal do something? By the stored role assignments, each of which acts only some time after it was made. */
export function makeRbac(state: StateStore, clock: Clock, options: ArmOptions): Rbac {
  const ofPrincipal = indexByPrincipal(state);
  return {
    allowed(objectId, action, scope, kind = 'action') {
      return ofPrincipal(objectId).some((assignment) => {
        if (!within(scope === '' ? '/' : scope, asText(assignment.properties.scope))) return false;
        const acts = Number(assignment.internal.since ?? 0) + options.rolePropagationSeconds * 1000 * options.factor;
        if (clock.wall() < acts) return false;
        const role = findRole(state, asText(assignment.properties.roleDefinitionId));
        return role !== undefined && grants(role, action, kind);
      });
    },
  };
}

/** Every request asks: with a thousand jump servers there are thousands of assignments. */
function indexByPrincipal(state: StateStore): (objectId: string) => Stored[] {
  const index = new Map<string, Map<string, Stored>>();
  const add = (assignment: Stored): void => {
    const principal = asText(assignment.properties.principalId);
    const own = index.get(principal) ?? new Map<string, Stored>();
    own.set(key(assignment.id), assignment);
    index.set(principal, own);
  };
  for (const assignment of state.list(assignmentType)) add(assignment);
  state.onChange(({ id, before, after }) => {
    if ((before ?? after)?.type !== assignmentType) return;
    if (before) index.get(asText(before.properties.principalId))?.delete(key(id));
    if (after) add(after as Stored);
  });
  return (objectId) => [...(index.get(objectId)?.values() ?? [])];
}

/** A built-in or a custom role by the id or the last name of its definition. */
export function findRole(state: StateStore, definitionId: string): Role | undefined {
  const id = key(lastName(definitionId));
  return builtInRoles.find((role) => role.id === id) ?? customRoles(state).find((role) => role.id === id);
}

export const customRoles = (state: StateStore): Role[] =>
  state.list(definitionType).map(({ name, properties }) => {
    const lists = (member: string) => objects(properties.permissions).flatMap((one) => (one[member] as string[]) ?? []);
    return {
      id: key(name),
      name: asText(properties.roleName),
      actions: lists('actions'),
      notActions: lists('notActions'),
      dataActions: lists('dataActions'),
    };
  });

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
