/** One line of CSV (RFC 4180): quotes where a cell needs them. */
export const csvLine = (cells: readonly (string | undefined)[]): string => `${cells.map(csvCell).join(',')}\r\n`;

/** Outer spaces are quoted as well: some readers trim them. */
const csvCell = (cell = ''): string => (/[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** A stream of text, pulled as the reader takes it. The first part is made at once, so that its errors are still an answer. */
export async function textStream(parts: AsyncGenerator<string>): Promise<ReadableStream<Uint8Array>> {
  const encoder = new TextEncoder();
  let first: IteratorResult<string> | undefined = await parts.next();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = first ?? (await parts.next());
      first = undefined;
      if (next.done) controller.close();
      else controller.enqueue(encoder.encode(next.value));
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
}
