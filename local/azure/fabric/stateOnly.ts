import type { ArmResource } from '../contract.ts';

/** A VM or MySQL server with the tag `local-no-guest` exists as state only: thousands of them cost no process. */
export const withoutMachine = (resource: ArmResource): boolean => resource.tags?.['local-no-guest'] !== undefined;
