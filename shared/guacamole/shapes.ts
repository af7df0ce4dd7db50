import { z } from 'zod';
import { addressSchema, nameSchema, valuesSchema } from './text.ts';
import { objectPermissions } from './vocabulary.ts';

/** Fields that Guacamole sends but nobody can set: accepted, so that what was read can be sent back, and not looked at. */
const readOnly = z.unknown().optional();

/** Attribute and parameter values as they are answered. */
const stringMap = z.record(z.string(), z.string());

export const connectionShape = z.object({
  name: z.string(),
  identifier: z.string(),
  parentIdentifier: z.string(),
  protocol: z.string(),
  attributes: stringMap,
  activeConnections: z.number(),
  lastActive: z.number().optional(),
});

export const connectionBody = z.strictObject({
  name: nameSchema,
  parentIdentifier: z.string().max(20).nullish(),
  protocol: z.string().max(32),
  parameters: valuesSchema.nullish(),
  attributes: valuesSchema.nullish(),
  identifier: readOnly,
  activeConnections: readOnly,
  lastActive: readOnly,
  sharingProfiles: readOnly,
});

export const connectionPatch = connectionBody.partial();

export const groupTypes = ['ORGANIZATIONAL', 'BALANCING'] as const;

export const connectionGroupShape = z.object({
  name: z.string(),
  identifier: z.string(),
  parentIdentifier: z.string().optional(),
  type: z.enum(groupTypes),
  attributes: stringMap,
  activeConnections: z.number(),
});

export const connectionGroupBody = z.strictObject({
  name: nameSchema,
  parentIdentifier: z.string().max(20).nullish(),
  type: z.enum(groupTypes).default('ORGANIZATIONAL'),
  attributes: valuesSchema.nullish(),
  identifier: readOnly,
  activeConnections: readOnly,
  childConnections: readOnly,
  childConnectionGroups: readOnly,
});

export const connectionGroupPatch = connectionGroupBody.extend({ type: z.enum(groupTypes) }).partial();

export const sharingProfileShape = z.object({
  name: z.string(),
  identifier: z.string(),
  primaryConnectionIdentifier: z.string(),
  attributes: stringMap,
});

export const sharingProfileBody = z.strictObject({
  name: nameSchema,
  primaryConnectionIdentifier: z.string().max(20),
  parameters: valuesSchema.nullish(),
  attributes: valuesSchema.nullish(),
  identifier: readOnly,
});

export const sharingProfilePatch = sharingProfileBody.partial();

export const userShape = z.object({
  username: z.string(),
  disabled: z.boolean(),
  attributes: stringMap,
  lastActive: z.number().optional(),
});

/** Guacamole itself has no limit; hashing much more than anybody types would only be a way to keep us busy. */
const password = z.string().min(1, 'must not be empty; leave it out to keep the old one').max(1024);

export const userBody = z.strictObject({
  username: addressSchema,
  password: password.nullish(),
  disabled: z.boolean().default(false),
  attributes: valuesSchema.nullish(),
  lastActive: readOnly,
});

/** In a PUT or PATCH the path says who it is. */
export const userReplacement = userBody.partial({ username: true });
export const userPatch = userBody.extend({ disabled: z.boolean() }).partial();
export const passwordChange = z.strictObject({ oldPassword: z.string().max(1024).nullish(), newPassword: password });

export const userGroupShape = z.object({ identifier: z.string(), disabled: z.boolean(), attributes: stringMap });

export const userGroupBody = z.strictObject({
  identifier: addressSchema,
  disabled: z.boolean().default(false),
  attributes: valuesSchema.nullish(),
});

export const userGroupReplacement = userGroupBody.partial({ identifier: true });
export const userGroupPatch = userGroupBody.extend({ disabled: z.boolean() }).partial();

const permissionMap = z.record(z.string(), z.array(z.enum(objectPermissions)));

export const permissionsShape = z.object({
  connectionPermissions: permissionMap,
  connectionGroupPermissions: permissionMap,
  sharingProfilePermissions: permissionMap,
  activeConnectionPermissions: permissionMap,
  userPermissions: permissionMap,
  userGroupPermissions: permissionMap,
  systemPermissions: z.array(z.string()),
});

export const recordShape = z.object({
  identifier: z.string(),
  startDate: z.number(),
  endDate: z.number().optional(),
  remoteHost: z.string().optional(),
  username: z.string(),
  active: z.boolean(),
  connectionIdentifier: z.string().optional(),
  connectionName: z.string().optional(),
  sharingProfileIdentifier: z.string().optional(),
  sharingProfileName: z.string().optional(),
});

/** A batch of grants, revocations or memberships. */
export const grantPatchBody = z
  .array(z.strictObject({ op: z.enum(['add', 'remove']), path: z.string().max(400), value: z.string().max(400) }))
  .min(1)
  .max(20_000, 'has more than 20000 operations');
