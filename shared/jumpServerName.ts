import { ApiError } from './errors.ts';

/**
 * The name of a jump server, which is in the names of its resources and nodes.
 * Throws ApiError 400 `InvalidName`.
 */
export function parseJumpServerName(name: string): string {
  const refuse = (why: string) =>
    new ApiError(400, 'InvalidName', `The name of a jump server ${why}. '${name.slice(0, 40)}' does not fit.`, {
      target: 'name',
    });
  if (!/^[a-z0-9-]{3,24}$/.test(name)) throw refuse('is 3 to 24 lower-case letters, digits and hyphens');
  if (!/^[a-z].*[a-z0-9]$/.test(name) || name.includes('--')) {
    throw refuse('starts with a letter, ends with a letter or digit, and has no two hyphens in a row');
  }
  // https://learn.microsoft.com/azure/azure-resource-manager/templates/error-reserved-resource-name
  if (/^(login|xbox)|microsoft|windows/.test(name))
    throw refuse('must avoid words that Azure reserves: login, xbox, microsoft, windows');
  return name;
}
