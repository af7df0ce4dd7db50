import { ApiError } from '../../errors.ts';
import { readCsv } from './csv.ts';
import { checkRecord, type ImportRecord, type RawRecord } from './record.ts';
import { readJson, readYaml } from './structured.ts';

export type ImportFormat = 'csv' | 'json' | 'yaml';

const contentTypes: Record<string, ImportFormat> = {
  'text/csv': 'csv',
  'application/csv': 'csv',
  'application/json': 'json',
  'text/json': 'json',
  'application/yaml': 'yaml',
  'application/x-yaml': 'yaml',
  'text/yaml': 'yaml',
  'text/x-yaml': 'yaml',
};
const extensions: Record<string, ImportFormat> = { csv: 'csv', json: 'json', yaml: 'yaml', yml: 'yaml' };

/** Bytes. JSON and YAML are read as a whole, YAML at about 1 MB a second, in which the process does nothing else. */
const mostBytes: Record<ImportFormat, number> = {
  csv: 64 * 1024 * 1024,
  json: 64 * 1024 * 1024,
  yaml: 4 * 1024 * 1024,
};
const mostRecords = 100_000;

/** Of a file that is wrong all over, no more is read. */
const mostProblemsOfFile = 100_000;
/** Until then the nearest known name is looked for, which takes its time. */
const mostSuggestions = 1000;

/** The content type decides, or, where that says nothing (octet-stream), the name of the file. */
export function importFormat(contentType: string | null, fileName: string | undefined): ImportFormat {
  const type = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const known = Object.hasOwn(contentTypes, type) ? contentTypes[type] : undefined;
  if (known) return known;
  const extension = fileName?.split('.').at(-1)?.toLowerCase() ?? '';
  const named = Object.hasOwn(extensions, extension) ? extensions[extension] : undefined;
  if (named && (type === '' || type === 'application/octet-stream')) return named;
  throw new ApiError(
    415,
    'UnsupportedMediaType',
    'Send the file as text/csv, application/json or application/yaml, or name it: ?fileName=connections.csv.',
  );
}

/** Reads and checks a whole file, holding its records but, for CSV, never its text. */
export async function readImport(
  stream: AsyncIterable<Uint8Array> | null,
  format: ImportFormat,
  contentLength: string | null,
  allowUnknownParameters: boolean,
): Promise<ImportRecord[]> {
  if (Number(contentLength ?? 0) > mostBytes[format]) throw tooLarge(format);
  const records: ImportRecord[] = [];
  let problems = 0;
  await readRecords(limited(stream, format), format, allowUnknownParameters, (raw) => {
    if (records.length === mostRecords) throw tooMany();
    const record = checkRecord(raw, allowUnknownParameters, problems < mostSuggestions ? 5 : 0);
    records.push(record);
    problems += record.problems.length;
    if (problems > mostProblemsOfFile) throw tooManyProblems(records);
  });
  if (records.length === 0) throw new ApiError(400, 'EmptyFile', 'The file holds no connections.');
  return records;
}

function tooManyProblems(records: readonly ImportRecord[]): ApiError {
  const message = `The file has more than ${mostProblemsOfFile} problems within its first ${records.length} connections; the first is listed.`;
  const details = records.find((record) => record.problems.length > 0)?.problems ?? [];
  return new ApiError(400, 'TooManyProblems', message, { details });
}

const tooMany = (): ApiError =>
  new ApiError(413, 'PayloadTooLarge', `An import takes at most ${mostRecords} connections; split the file.`);

async function readRecords(
  bytes: AsyncIterable<Uint8Array>,
  format: ImportFormat,
  allowUnknown: boolean,
  take: (record: RawRecord) => void,
): Promise<void> {
  if (format === 'csv') return readCsv(bytes, allowUnknown, take);
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  const text = new TextDecoder().decode(Buffer.concat(chunks));
  for (const record of format === 'json' ? readJson(text) : readYaml(text)) take(record);
}

/** The bytes, as long as they are UTF-8 and not too many. */
async function* limited(stream: AsyncIterable<Uint8Array> | null, format: ImportFormat): AsyncGenerator<Uint8Array> {
  let size = 0;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for await (const chunk of stream ?? []) {
    size += chunk.byteLength;
    if (size > mostBytes[format]) throw tooLarge(format);
    yield check(() => decoder.decode(chunk, { stream: true }), chunk);
  }
  check(() => decoder.decode(), new Uint8Array());
}

function check(decode: () => string, chunk: Uint8Array): Uint8Array {
  try {
    decode();
    return chunk;
  } catch {
    throw new ApiError(400, 'NotUtf8', 'The file is not UTF-8 text.');
  }
}

const tooLarge = (format: ImportFormat): ApiError =>
  new ApiError(
    413,
    'PayloadTooLarge',
    `A ${format.toUpperCase()} file may have ${mostBytes[format] / 1024 / 1024} MB; split it.`,
  );
