import type { Stored } from '../state.ts';
import type { ArmEnv } from './env.ts';

/** A creation leaves its resource in ARM from the acceptance on, also when it fails: then there is nothing real behind it. */

/** Has the data plane not made it yet? */
export const isUnmade = (resource: Stored | undefined): boolean => resource?.internal.unmade === true;

/** The data plane has made it: from now on a write changes it, and a restart makes it real again. */
export function made(env: ArmEnv, id: string): void {
  if (!isUnmade(env.state.get(id))) return;
  env.state.update(id, (copy) => {
    delete copy.internal.unmade;
  });
}

/** Does this write make it? A creation does, and so does what carries on one that failed. */
export const makes = (env: ArmEnv, existing: Stored | undefined, method: string): boolean =>
  existing === undefined || (isUnmade(existing) && !isLeftFailed(env, existing, method));

/** A PATCH that changes what is stored of a failed creation and does not carry it on; which of both Azure does is not known. */
export const isLeftFailed = (env: ArmEnv, existing: Stored, method: string): boolean =>
  method === 'PATCH' && isUnmade(existing) && !env.options.patchCarriesOn;
