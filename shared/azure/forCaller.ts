import { isRestError } from '@azure/core-rest-pipeline';
import { ApiError } from '../errors.ts';
import { readArmError } from './armError.ts';

/**
 * What Azure answered to a look at `target`, for the caller of the API: try again (503, with `Retry-After` in seconds), or see to it (502).
 * What Azure did not say is returned as it is.
 */
export function forCaller(error: unknown, target: string): unknown {
  if (!isRestError(error)) return error;
  const read = readArmError(error);
  const { code, message, advice } = read.failure;
  if (read.kind === 'hopeless') {
    const sentence = `Azure refuses to show ${target}: ${message}${advice === undefined ? '' : ` ${advice}`}`;
    return new ApiError(502, 'AzureRefuses', sentence, { target, details: [{ code, message, target }] });
  }
  const seconds = Math.ceil(read.kind === 'transient' ? (read.retryAfterSeconds ?? 10) : 10);
  return new ApiError(503, 'AzureUnavailable', `Azure cannot show ${target} at the moment (${code}). Try again.`, {
    target,
    headers: { 'Retry-After': String(seconds) },
  });
}
