import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** The two columns that Guacamole keeps of a password, 32 bytes each. */
export interface PasswordColumns {
  password_hash: Buffer;
  password_salt: Buffer;
}

/** SHA-256 of the UTF-8 password followed by the upper-case hexadecimal salt: Guacamole's `SHA256PasswordEncryptionService`. */
export function hashPassword(password: string, salt: Buffer | null): Buffer {
  const salted = salt ? password + salt.toString('hex').toUpperCase() : password;
  return createHash('sha256').update(salted, 'utf8').digest();
}

/** A new random salt and the hash that goes with it. */
export function newPassword(password: string): PasswordColumns {
  const password_salt = randomBytes(32);
  return { password_hash: hashPassword(password, password_salt), password_salt };
}

/** For a user without a password: a hash that no password has, so that nobody can log in with it. */
export function unusablePassword(): PasswordColumns {
  return { password_hash: randomBytes(32), password_salt: randomBytes(32) };
}

/** Whether this is the password, in constant time. */
export function passwordMatches(
  password: string,
  stored: { password_hash: Buffer; password_salt: Buffer | null },
): boolean {
  const expected = hashPassword(password, stored.password_salt);
  return stored.password_hash.length === expected.length && timingSafeEqual(stored.password_hash, expected);
}
