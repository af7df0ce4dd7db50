import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

export interface TraceRow {
  time: string;
  method: string;
  url: string;
  body?: unknown;
  status: number;
  ms: number;
  /** Azure's error code, for refused requests. */
  code?: string;
}

/** The names of members whose values are secret, or may be. */
const secretNames = /password|^customData$|^userData$|^protectedSettings|secretValue/i;

/** Appends a JSON line per ARM request. */
export class Trace {
  readonly #out: ReturnType<typeof createWriteStream> | undefined;

  constructor(file: string | undefined) {
    if (file === undefined) return;
    mkdirSync(dirname(file), { recursive: true });
    this.#out = createWriteStream(file, { flags: 'a' });
  }

  write(row: TraceRow): void {
    this.#out?.write(`${JSON.stringify({ ...row, url: withoutSignature(row.url), body: withoutSecrets(row.body) })}\n`);
  }

  close(): Promise<void> {
    return new Promise((resolve) => (this.#out ? this.#out.end(() => resolve()) : resolve()));
  }
}

/** Secrets become placeholders of the same type, so that the body still checks against Azure's types. */
export function withoutSecrets(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, name));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([member, item]) => [member, withoutSecrets(item, member)]));
  if (!secretNames.test(name) || typeof value === 'boolean') return value;
  return typeof value === 'string' ? 'placeholder' : typeof value === 'number' ? 0 : value;
}

// Operation URLs are kilobytes of signature; the first part says which operation it is.
const withoutSignature = (url: string): string => url.replace(/&t=\d+&c=.*$/, '');
