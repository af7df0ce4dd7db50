import type { ArmEnv } from './env.ts';
import { ArmError } from './failure.ts';
import { key } from './ids.ts';

export const isRegistered = (env: ArmEnv, namespace: string): boolean =>
  !env.options.unregistered.some((name) => key(name) === key(namespace));

/** Throws 409 for a namespace that the subscription has not registered. */
export function checkRegistered(env: ArmEnv, namespace: string): void {
  if (isRegistered(env, namespace)) return;
  throw new ArmError(
    409,
    'MissingSubscriptionRegistration',
    `The subscription is not registered to use namespace '${namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions.`,
    { target: namespace },
  );
}
