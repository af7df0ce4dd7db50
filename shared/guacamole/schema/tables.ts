import type { ColumnType, Generated } from 'kysely';
import type { ObjectPermission, SystemPermission } from '../vocabulary.ts';

/** `tinyint(1)`: read as 0 or 1. */
type Flag = ColumnType<number, boolean | number | undefined, boolean | number>;

/** `datetime` as `YYYY-MM-DD HH:MM:SS`, always UTC (the session's time zone is set to it). */
type DateTime = string;

export interface ConnectionGroupTable {
  connection_group_id: Generated<number>;
  parent_id: number | null;
  connection_group_name: string;
  type: Generated<'ORGANIZATIONAL' | 'BALANCING'>;
  max_connections: number | null;
  max_connections_per_user: number | null;
  enable_session_affinity: Flag;
}

export interface ConnectionTable {
  connection_id: Generated<number>;
  connection_name: string;
  parent_id: number | null;
  protocol: string;
  proxy_port: number | null;
  proxy_hostname: string | null;
  proxy_encryption_method: 'NONE' | 'SSL' | null;
  max_connections: number | null;
  max_connections_per_user: number | null;
  connection_weight: number | null;
  failover_only: Flag;
}

export interface EntityTable {
  entity_id: Generated<number>;
  name: string;
  type: 'USER' | 'USER_GROUP';
}

export interface UserTable {
  user_id: Generated<number>;
  entity_id: number;
  password_hash: Buffer;
  password_salt: Buffer | null;
  password_date: DateTime;
  disabled: Flag;
  expired: Flag;
  access_window_start: string | null;
  access_window_end: string | null;
  valid_from: string | null;
  valid_until: string | null;
  timezone: string | null;
  full_name: string | null;
  email_address: string | null;
  organization: string | null;
  organizational_role: string | null;
}

export interface UserGroupTable {
  user_group_id: Generated<number>;
  entity_id: number;
  disabled: Flag;
}

export interface UserGroupMemberTable {
  user_group_id: number;
  member_entity_id: number;
}

export interface SharingProfileTable {
  sharing_profile_id: Generated<number>;
  sharing_profile_name: string;
  primary_connection_id: number;
}

export interface ConnectionParameterTable {
  connection_id: number;
  parameter_name: string;
  parameter_value: string;
}

export interface SharingProfileParameterTable {
  sharing_profile_id: number;
  parameter_name: string;
  parameter_value: string;
}

export interface UserAttributeTable {
  user_id: number;
  attribute_name: string;
  attribute_value: string;
}

export interface UserGroupAttributeTable {
  user_group_id: number;
  attribute_name: string;
  attribute_value: string;
}

export interface ConnectionAttributeTable {
  connection_id: number;
  attribute_name: string;
  attribute_value: string;
}

export interface ConnectionGroupAttributeTable {
  connection_group_id: number;
  attribute_name: string;
  attribute_value: string;
}

export interface SharingProfileAttributeTable {
  sharing_profile_id: number;
  attribute_name: string;
  attribute_value: string;
}

export interface ConnectionPermissionTable {
  entity_id: number;
  connection_id: number;
  permission: ObjectPermission;
}

export interface ConnectionGroupPermissionTable {
  entity_id: number;
  connection_group_id: number;
  permission: ObjectPermission;
}

export interface SharingProfilePermissionTable {
  entity_id: number;
  sharing_profile_id: number;
  permission: ObjectPermission;
}

export interface SystemPermissionTable {
  entity_id: number;
  permission: SystemPermission;
}

export interface UserPermissionTable {
  entity_id: number;
  affected_user_id: number;
  permission: ObjectPermission;
}

export interface UserGroupPermissionTable {
  entity_id: number;
  affected_user_group_id: number;
  permission: ObjectPermission;
}

export interface ConnectionHistoryTable {
  history_id: Generated<number>;
  user_id: number | null;
  username: string;
  remote_host: string | null;
  connection_id: number | null;
  connection_name: string;
  sharing_profile_id: number | null;
  sharing_profile_name: string | null;
  start_date: DateTime;
  end_date: DateTime | null;
}

export interface UserHistoryTable {
  history_id: Generated<number>;
  user_id: number | null;
  username: string;
  remote_host: string | null;
  start_date: DateTime;
  end_date: DateTime | null;
}

export interface UserPasswordHistoryTable {
  password_history_id: Generated<number>;
  user_id: number;
  password_hash: Buffer;
  password_salt: Buffer | null;
  password_date: DateTime;
}

/** One row per change made through the API, written in the change's own transaction. */
export interface ChangeTable {
  audit_id: string;
  changed_at: Generated<DateTime>;
}

/** Fixed rows that writers lock to queue up where no unique key can decide (see `lockTree`). */
export interface LockTable {
  name: string;
}

/** What this database alone needs to know: `etag-key`, a random key that makes ETags tell nothing about secrets. */
export interface SettingTable {
  name: string;
  value: string;
}

/** What a Guacamole 1.6 database holds, and the tables that Molcajete adds to it. */
export interface GuacamoleDatabase {
  guacamole_connection_group: ConnectionGroupTable;
  guacamole_connection: ConnectionTable;
  guacamole_entity: EntityTable;
  guacamole_user: UserTable;
  guacamole_user_group: UserGroupTable;
  guacamole_user_group_member: UserGroupMemberTable;
  guacamole_sharing_profile: SharingProfileTable;
  guacamole_connection_parameter: ConnectionParameterTable;
  guacamole_sharing_profile_parameter: SharingProfileParameterTable;
  guacamole_user_attribute: UserAttributeTable;
  guacamole_user_group_attribute: UserGroupAttributeTable;
  guacamole_connection_attribute: ConnectionAttributeTable;
  guacamole_connection_group_attribute: ConnectionGroupAttributeTable;
  guacamole_sharing_profile_attribute: SharingProfileAttributeTable;
  guacamole_connection_permission: ConnectionPermissionTable;
  guacamole_connection_group_permission: ConnectionGroupPermissionTable;
  guacamole_sharing_profile_permission: SharingProfilePermissionTable;
  guacamole_system_permission: SystemPermissionTable;
  guacamole_user_permission: UserPermissionTable;
  guacamole_user_group_permission: UserGroupPermissionTable;
  guacamole_connection_history: ConnectionHistoryTable;
  guacamole_user_history: UserHistoryTable;
  guacamole_user_password_history: UserPasswordHistoryTable;
  molcajete_change: ChangeTable;
  molcajete_lock: LockTable;
  molcajete_setting: SettingTable;
}
