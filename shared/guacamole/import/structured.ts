import { isMap, isSeq, LineCounter, parseDocument } from 'yaml';
import { ApiError } from '../../errors.ts';
import { problem } from '../problems.ts';
import type { RawRecord } from './record.ts';
import { resolveNodes, YamlFault } from './yamlNodes.ts';

/** Reads a JSON array of connections. */
export function readJson(text: string): RawRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's message quotes the file, which holds passwords.
    throw new ApiError(400, 'InvalidJson', 'The file is not JSON.');
  }
  return toRecords(value, () => undefined);
}

/** Reads a YAML list of connections, with the lines they begin at. */
export function readYaml(text: string): RawRecord[] {
  const lines = new LineCounter();
  const document = guard(lines, () =>
    parseDocument(text, { lineCounter: lines, uniqueKeys: false, logLevel: 'silent' }),
  );
  const [fault] = document.errors;
  if (fault) {
    throw new ApiError(
      400,
      'InvalidYaml',
      `The file is not YAML: ${fault.code} at line ${fault.linePos?.[0].line ?? '?'}.`,
    );
  }
  const value: unknown = guard(lines, () => {
    resolveNodes(document);
    return document.toJS();
  });
  const items = isSeq(document.contents) ? document.contents.items : [];
  return toRecords(value, (index) => {
    const item = items[index];
    return isMap(item) && item.range ? lines.linePos(item.range[0]).line : undefined;
  });
}

/** Deep nesting ends in an error of the engine that is the file's fault. */
function guard<T>(lines: LineCounter, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RangeError) throw new ApiError(400, 'InvalidYaml', 'The file is nested too deep.');
    if (error instanceof YamlFault) {
      const where = error.at === undefined ? '' : ` at line ${lines.linePos(error.at).line}`;
      throw new ApiError(400, 'InvalidYaml', `The file is not YAML that can be read${where}: ${error.message}.`);
    }
    throw error;
  }
}

function toRecords(value: unknown, lineOf: (index: number) => number | undefined): RawRecord[] {
  if (!Array.isArray(value)) throw new ApiError(400, 'ListRequired', 'The file must hold a list of connections.');
  return value.map((item: unknown, index) => {
    const line = lineOf(index);
    const place = { index, ...(line === undefined ? {} : { line }) };
    if (typeof item === 'object' && item !== null && !Array.isArray(item)) {
      return { ...place, fields: item as Record<string, unknown>, problems: [] };
    }
    return { ...place, fields: {}, problems: [problem('record', 'A connection must be an object.')] };
  });
}
