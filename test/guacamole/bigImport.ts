import { readImport } from '../../shared/guacamole/import/readFile.ts';

/** Reads a CSV of 60 MB; a process of its own, so that its memory can be limited. */
async function* file(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('name,protocol,hostname,command\n');
  for (let n = 0; n < 100_000; n += 100) {
    const lines = Array.from(
      { length: 100 },
      (_, i) => `host ${n + i},ssh,10.0.0.1,${String(n + i).padStart(560, 'x')}\n`,
    );
    yield Buffer.from(lines.join(''));
  }
}

process.stdout.write(String((await readImport(file(), 'csv', null, false)).length));
