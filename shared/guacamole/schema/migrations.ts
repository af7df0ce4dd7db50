import { guacamoleTables } from './create.ts';

/**
 * One step of the schema's history. MySQL commits each data-definition statement by itself, so a step is resumed at the
 * statement that was not recorded: every statement must be harmless when it runs a second time.
 */
export interface Migration {
  version: number;
  name: string;
  statements: readonly string[];
}

const systemPermissions16 =
  "enum('CREATE_CONNECTION','CREATE_CONNECTION_GROUP','CREATE_SHARING_PROFILE','CREATE_USER','CREATE_USER_GROUP','AUDIT','ADMINISTER')";

/** Never change one that was released; add a new one at the end. */
export const migrations: readonly Migration[] = [
  { version: 1, name: 'Guacamole 1.6 tables', statements: guacamoleTables.map((table) => table.sql) },
  {
    version: 2,
    // Guacamole 1.0 to 1.5 have the same tables but for this one permission.
    name: 'AUDIT permission of Guacamole 1.6',
    statements: [`ALTER TABLE guacamole_system_permission MODIFY permission ${systemPermissions16} NOT NULL`],
  },
  {
    version: 3,
    name: 'Changes and locks of Molcajete',
    statements: [
      `CREATE TABLE IF NOT EXISTS molcajete_change (
        audit_id varchar(64) NOT NULL,
        changed_at datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
        PRIMARY KEY (audit_id),
        KEY changed_at (changed_at)
      ) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin`,
      `CREATE TABLE IF NOT EXISTS molcajete_lock (
        name varchar(32) NOT NULL,
        PRIMARY KEY (name)
      ) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin`,
      "INSERT IGNORE INTO molcajete_lock (name) VALUES ('tree')",
      `CREATE TABLE IF NOT EXISTS molcajete_setting (
        name varchar(32) NOT NULL,
        value varchar(255) NOT NULL,
        PRIMARY KEY (name)
      ) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin`,
      "INSERT IGNORE INTO molcajete_setting (name, value) VALUES ('etag-key', HEX(RANDOM_BYTES(32)))",
    ],
  },
];
