/** Permissions on the whole of Guacamole, in the order in which its own interface shows them; `AUDIT` came with 1.6. */
export const systemPermissions = [
  'CREATE_CONNECTION',
  'CREATE_CONNECTION_GROUP',
  'CREATE_SHARING_PROFILE',
  'CREATE_USER',
  'CREATE_USER_GROUP',
  'AUDIT',
  'ADMINISTER',
] as const;

export type SystemPermission = (typeof systemPermissions)[number];

/** Permissions on one object. */
export const objectPermissions = ['READ', 'UPDATE', 'DELETE', 'ADMINISTER'] as const;

export type ObjectPermission = (typeof objectPermissions)[number];
