const tableOptions = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci';

/**
 * Guacamole 1.6's 23 tables in an order that its foreign keys allow. Keys that InnoDB would add by itself for a foreign key are
 * written out, so that MySQL and MariaDB end up with the same names. `utf8mb3` is Guacamole's own choice: characters outside
 * the Basic Multilingual Plane cannot be stored (`text.ts` refuses them).
 */
export const guacamoleTables: readonly { name: string; sql: string }[] = [
  {
    name: 'guacamole_connection_group',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_connection_group (
    connection_group_id int NOT NULL AUTO_INCREMENT,
    parent_id int NULL,
    connection_group_name varchar(128) NOT NULL,
    type enum('ORGANIZATIONAL','BALANCING') NOT NULL DEFAULT 'ORGANIZATIONAL',
    max_connections int NULL,
    max_connections_per_user int NULL,
    enable_session_affinity tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (connection_group_id),
    UNIQUE KEY connection_group_name_parent (connection_group_name, parent_id),
    KEY guacamole_connection_group_ibfk_1 (parent_id),
    CONSTRAINT guacamole_connection_group_ibfk_1 FOREIGN KEY (parent_id) REFERENCES guacamole_connection_group (connection_group_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_connection',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_connection (
    connection_id int NOT NULL AUTO_INCREMENT,
    connection_name varchar(128) NOT NULL,
    parent_id int NULL,
    protocol varchar(32) NOT NULL,
    proxy_port int NULL,
    proxy_hostname varchar(512) NULL,
    proxy_encryption_method enum('NONE','SSL') NULL,
    max_connections int NULL,
    max_connections_per_user int NULL,
    connection_weight int NULL,
    failover_only tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (connection_id),
    UNIQUE KEY connection_name_parent (connection_name, parent_id),
    KEY guacamole_connection_ibfk_1 (parent_id),
    CONSTRAINT guacamole_connection_ibfk_1 FOREIGN KEY (parent_id) REFERENCES guacamole_connection_group (connection_group_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_entity',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_entity (
    entity_id int NOT NULL AUTO_INCREMENT,
    name varchar(128) NOT NULL,
    type enum('USER','USER_GROUP') NOT NULL,
    PRIMARY KEY (entity_id),
    UNIQUE KEY guacamole_entity_name_scope (type, name)
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_user',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_user (
    user_id int NOT NULL AUTO_INCREMENT,
    entity_id int NOT NULL,
    password_hash binary(32) NOT NULL,
    password_salt binary(32) NULL,
    password_date datetime NOT NULL,
    disabled tinyint(1) NOT NULL DEFAULT 0,
    expired tinyint(1) NOT NULL DEFAULT 0,
    access_window_start time NULL,
    access_window_end time NULL,
    valid_from date NULL,
    valid_until date NULL,
    timezone varchar(64) NULL,
    full_name varchar(256) NULL,
    email_address varchar(256) NULL,
    organization varchar(256) NULL,
    organizational_role varchar(256) NULL,
    PRIMARY KEY (user_id),
    UNIQUE KEY guacamole_user_single_entity (entity_id),
    CONSTRAINT guacamole_user_entity FOREIGN KEY (entity_id) REFERENCES guacamole_entity (entity_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_user_group',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_user_group (
    user_group_id int NOT NULL AUTO_INCREMENT,
    entity_id int NOT NULL,
    disabled tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (user_group_id),
    UNIQUE KEY guacamole_user_group_single_entity (entity_id),
    CONSTRAINT guacamole_user_group_entity FOREIGN KEY (entity_id) REFERENCES guacamole_entity (entity_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_user_group_member',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_user_group_member (
    user_group_id int NOT NULL,
    member_entity_id int NOT NULL,
    PRIMARY KEY (user_group_id, member_entity_id),
    KEY guacamole_user_group_member_entity_id (member_entity_id),
    CONSTRAINT guacamole_user_group_member_entity_id FOREIGN KEY (member_entity_id) REFERENCES guacamole_entity (entity_id) ON DELETE CASCADE,
    CONSTRAINT guacamole_user_group_member_parent_id FOREIGN KEY (user_group_id) REFERENCES guacamole_user_group (user_group_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_sharing_profile',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_sharing_profile (
    sharing_profile_id int NOT NULL AUTO_INCREMENT,
    sharing_profile_name varchar(128) NOT NULL,
    primary_connection_id int NOT NULL,
    PRIMARY KEY (sharing_profile_id),
    KEY guacamole_sharing_profile_ibfk_1 (primary_connection_id),
    UNIQUE KEY sharing_profile_name_primary (sharing_profile_name, primary_connection_id),
    CONSTRAINT guacamole_sharing_profile_ibfk_1 FOREIGN KEY (primary_connection_id) REFERENCES guacamole_connection (connection_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_connection_parameter',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_connection_parameter (
    connection_id int NOT NULL,
    parameter_name varchar(128) NOT NULL,
    parameter_value varchar(4096) NOT NULL,
    PRIMARY KEY (connection_id, parameter_name),
    CONSTRAINT guacamole_connection_parameter_ibfk_1 FOREIGN KEY (connection_id) REFERENCES guacamole_connection (connection_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_sharing_profile_parameter',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_sharing_profile_parameter (
    sharing_profile_id int NOT NULL,
    parameter_name varchar(128) NOT NULL,
    parameter_value varchar(4096) NOT NULL,
    PRIMARY KEY (sharing_profile_id, parameter_name),
    CONSTRAINT guacamole_sharing_profile_parameter_ibfk_1 FOREIGN KEY (sharing_profile_id) REFERENCES guacamole_sharing_profile (sharing_profile_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_user_attribute',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_user_attribute (
    user_id int NOT NULL,
    attribute_name varchar(128) NOT NULL,
    attribute_value varchar(4096) NOT NULL,
    PRIMARY KEY (user_id, attribute_name),
    KEY user_id (user_id),
    CONSTRAINT guacamole_user_attribute_ibfk_1 FOREIGN KEY (user_id) REFERENCES guacamole_user (user_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_user_group_attribute',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_user_group_attribute (
    user_group_id int NOT NULL,
    attribute_name varchar(128) NOT NULL,
    attribute_value varchar(4096) NOT NULL,
    PRIMARY KEY (user_group_id, attribute_name),
    KEY user_group_id (user_group_id),
    CONSTRAINT guacamole_user_group_attribute_ibfk_1 FOREIGN KEY (user_group_id) REFERENCES guacamole_user_group (user_group_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_connection_attribute',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_connection_attribute (
    connection_id int NOT NULL,
    attribute_name varchar(128) NOT NULL,
    attribute_value varchar(4096) NOT NULL,
    PRIMARY KEY (connection_id, attribute_name),
    KEY connection_id (connection_id),
    CONSTRAINT guacamole_connection_attribute_ibfk_1 FOREIGN KEY (connection_id) REFERENCES guacamole_connection (connection_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_connection_group_attribute',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_connection_group_attribute (
    connection_group_id int NOT NULL,
    attribute_name varchar(128) NOT NULL,
    attribute_value varchar(4096) NOT NULL,
    PRIMARY KEY (connection_group_id, attribute_name),
    KEY connection_group_id (connection_group_id),
    CONSTRAINT guacamole_connection_group_attribute_ibfk_1 FOREIGN KEY (connection_group_id) REFERENCES guacamole_connection_group (connection_group_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_sharing_profile_attribute',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_sharing_profile_attribute (
    sharing_profile_id int NOT NULL,
    attribute_name varchar(128) NOT NULL,
    attribute_value varchar(4096) NOT NULL,
    PRIMARY KEY (sharing_profile_id, attribute_name),
    KEY sharing_profile_id (sharing_profile_id),
    CONSTRAINT guacamole_sharing_profile_attribute_ibfk_1 FOREIGN KEY (sharing_profile_id) REFERENCES guacamole_sharing_profile (sharing_profile_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_connection_permission',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_connection_permission (
    entity_id int NOT NULL,
    connection_id int NOT NULL,
    permission enum('READ','UPDATE','DELETE','ADMINISTER') NOT NULL,
    PRIMARY KEY (entity_id, connection_id, permission),
    KEY guacamole_connection_permission_ibfk_1 (connection_id),
    CONSTRAINT guacamole_connection_permission_entity FOREIGN KEY (entity_id) REFERENCES guacamole_entity (entity_id) ON DELETE CASCADE,
    CONSTRAINT guacamole_connection_permission_ibfk_1 FOREIGN KEY (connection_id) REFERENCES guacamole_connection (connection_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_connection_group_permission',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_connection_group_permission (
    entity_id int NOT NULL,
    connection_group_id int NOT NULL,
    permission enum('READ','UPDATE','DELETE','ADMINISTER') NOT NULL,
    PRIMARY KEY (entity_id, connection_group_id, permission),
    KEY guacamole_connection_group_permission_ibfk_1 (connection_group_id),
    CONSTRAINT guacamole_connection_group_permission_entity FOREIGN KEY (entity_id) REFERENCES guacamole_entity (entity_id) ON DELETE CASCADE,
    CONSTRAINT guacamole_connection_group_permission_ibfk_1 FOREIGN KEY (connection_group_id) REFERENCES guacamole_connection_group (connection_group_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_sharing_profile_permission',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_sharing_profile_permission (
    entity_id int NOT NULL,
    sharing_profile_id int NOT NULL,
    permission enum('READ','UPDATE','DELETE','ADMINISTER') NOT NULL,
    PRIMARY KEY (entity_id, sharing_profile_id, permission),
    KEY guacamole_sharing_profile_permission_ibfk_1 (sharing_profile_id),
    CONSTRAINT guacamole_sharing_profile_permission_entity FOREIGN KEY (entity_id) REFERENCES guacamole_entity (entity_id) ON DELETE CASCADE,
    CONSTRAINT guacamole_sharing_profile_permission_ibfk_1 FOREIGN KEY (sharing_profile_id) REFERENCES guacamole_sharing_profile (sharing_profile_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_system_permission',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_system_permission (
    entity_id int NOT NULL,
    permission enum('CREATE_CONNECTION','CREATE_CONNECTION_GROUP','CREATE_SHARING_PROFILE','CREATE_USER','CREATE_USER_GROUP','AUDIT','ADMINISTER') NOT NULL,
    PRIMARY KEY (entity_id, permission),
    CONSTRAINT guacamole_system_permission_entity FOREIGN KEY (entity_id) REFERENCES guacamole_entity (entity_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_user_permission',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_user_permission (
    entity_id int NOT NULL,
    affected_user_id int NOT NULL,
    permission enum('READ','UPDATE','DELETE','ADMINISTER') NOT NULL,
    PRIMARY KEY (entity_id, affected_user_id, permission),
    KEY guacamole_user_permission_ibfk_1 (affected_user_id),
    CONSTRAINT guacamole_user_permission_entity FOREIGN KEY (entity_id) REFERENCES guacamole_entity (entity_id) ON DELETE CASCADE,
    CONSTRAINT guacamole_user_permission_ibfk_1 FOREIGN KEY (affected_user_id) REFERENCES guacamole_user (user_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_user_group_permission',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_user_group_permission (
    entity_id int NOT NULL,
    affected_user_group_id int NOT NULL,
    permission enum('READ','UPDATE','DELETE','ADMINISTER') NOT NULL,
    PRIMARY KEY (entity_id, affected_user_group_id, permission),
    KEY guacamole_user_group_permission_affected_user_group (affected_user_group_id),
    CONSTRAINT guacamole_user_group_permission_affected_user_group FOREIGN KEY (affected_user_group_id) REFERENCES guacamole_user_group (user_group_id) ON DELETE CASCADE,
    CONSTRAINT guacamole_user_group_permission_entity FOREIGN KEY (entity_id) REFERENCES guacamole_entity (entity_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_connection_history',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_connection_history (
    history_id int NOT NULL AUTO_INCREMENT,
    user_id int NULL,
    username varchar(128) NOT NULL,
    remote_host varchar(256) NULL,
    connection_id int NULL,
    connection_name varchar(128) NOT NULL,
    sharing_profile_id int NULL,
    sharing_profile_name varchar(128) NULL,
    start_date datetime NOT NULL,
    end_date datetime NULL,
    PRIMARY KEY (history_id),
    KEY connection_id (connection_id),
    KEY connection_start_date (connection_id, start_date),
    KEY end_date (end_date),
    KEY sharing_profile_id (sharing_profile_id),
    KEY start_date (start_date),
    KEY user_id (user_id),
    CONSTRAINT guacamole_connection_history_ibfk_1 FOREIGN KEY (user_id) REFERENCES guacamole_user (user_id) ON DELETE SET NULL,
    CONSTRAINT guacamole_connection_history_ibfk_2 FOREIGN KEY (connection_id) REFERENCES guacamole_connection (connection_id) ON DELETE SET NULL,
    CONSTRAINT guacamole_connection_history_ibfk_3 FOREIGN KEY (sharing_profile_id) REFERENCES guacamole_sharing_profile (sharing_profile_id) ON DELETE SET NULL
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_user_history',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_user_history (
    history_id int NOT NULL AUTO_INCREMENT,
    user_id int NULL,
    username varchar(128) NOT NULL,
    remote_host varchar(256) NULL,
    start_date datetime NOT NULL,
    end_date datetime NULL,
    PRIMARY KEY (history_id),
    KEY end_date (end_date),
    KEY start_date (start_date),
    KEY user_id (user_id),
    KEY user_start_date (user_id, start_date),
    CONSTRAINT guacamole_user_history_ibfk_1 FOREIGN KEY (user_id) REFERENCES guacamole_user (user_id) ON DELETE SET NULL
  ) ${tableOptions}`,
  },
  {
    name: 'guacamole_user_password_history',
    sql: `CREATE TABLE IF NOT EXISTS guacamole_user_password_history (
    password_history_id int NOT NULL AUTO_INCREMENT,
    user_id int NOT NULL,
    password_hash binary(32) NOT NULL,
    password_salt binary(32) NULL,
    password_date datetime NOT NULL,
    PRIMARY KEY (password_history_id),
    KEY user_id (user_id),
    CONSTRAINT guacamole_user_password_history_ibfk_1 FOREIGN KEY (user_id) REFERENCES guacamole_user (user_id) ON DELETE CASCADE
  ) ${tableOptions}`,
  },
];
