import { grantPatchBody } from '../shapes.ts';
import { JSON_PATCH } from './answers.ts';

/** What routes share that take a batch of grants or memberships. */
export const grantPatch = {
  method: 'PATCH',
  role: 'Connection.Admin',
  body: grantPatchBody,
  contentTypes: JSON_PATCH,
  maxBodyBytes: 8 * 1024 * 1024,
} as const;
