import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

/**
 * The public half of a new RSA key in OpenSSH's form; the private half is never returned. RSA, because Azure accepts it at
 * every machine's creation.
 */
export async function throwAwaySshKey(): Promise<string> {
  const { publicKey } = await generate('rsa', { modulusLength: 2048 });
  const { e, n } = publicKey.export({ format: 'jwk' });
  const blob = Buffer.concat([field(Buffer.from('ssh-rsa')), integer(e), integer(n)]);
  return `ssh-rsa ${blob.toString('base64')} molcajete`;
}

/** RFC 4251, section 5: length, then bytes. */
function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** A positive mpint: a leading zero where the first bit is set. */
function integer(base64url = ''): Buffer {
  const bytes = Buffer.from(base64url, 'base64url');
  return field((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
}
