import { grantPatchBody } from '../shapes.ts';
import { jsonPatch } from './answers.ts';

/** What routes share that take a batch of grants or memberships. */
export const grantPatch = {
  method: 'PATCH',
  role: 'Connection.Admin',
  body: grantPatchBody,
  contentTypes: jsonPatch,
  maxBodyBytes: 8 * 1024 * 1024,
} as const;
