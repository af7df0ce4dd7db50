import { parseArgs } from 'node:util';
import { startAzure } from './azure.ts';

/**
 * `node local/azure/main.ts --dir .local/azure [--factor 0.02] [--trace FILE] [--options JSON]`: one copy of the local Azure. Prints one line
 * `ready <json>` when everything listens; SIGTERM or SIGINT stops everything that it started.
 */
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: '.local/azure' },
    factor: { type: 'string', default: '0.02' },
    trace: { type: 'string' },
    options: { type: 'string', default: '{}' },
  },
});
const factor = Number(values.factor);
if (!(factor >= 0 && factor <= 10)) {
  console.error(`--factor must be a number from 0 to 10, not '${values.factor}'.`);
  process.exit(2);
}

const log = (message: string): void => console.error(`${new Date().toISOString()} ${message}`);
// One broken guest may not take the others down.
process.on('unhandledRejection', (error) => log(`unhandled: ${String((error as Error)?.stack ?? error)}`));

const ended = new Promise<void>((resolve) => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => resolve());
});
const azure = await startAzure({
  dir: values.dir,
  factor,
  log,
  options: JSON.parse(values.options),
  ...(values.trace ? { trace: values.trace } : {}),
});
console.log(`ready ${JSON.stringify(azure.endpoints)}`);
await ended;
await azure.close();
process.exit(0);
