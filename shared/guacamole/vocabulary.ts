import type { ObjectPermission, SystemPermission } from './schema/tables.ts';

/** In the order in which Guacamole's own interface shows them. */
export const SYSTEM_PERMISSIONS: readonly SystemPermission[] = [
  'CREATE_CONNECTION',
  'CREATE_CONNECTION_GROUP',
  'CREATE_SHARING_PROFILE',
  'CREATE_USER',
  'CREATE_USER_GROUP',
  'AUDIT',
  'ADMINISTER',
];

export const OBJECT_PERMISSIONS: readonly ObjectPermission[] = ['READ', 'UPDATE', 'DELETE', 'ADMINISTER'];
