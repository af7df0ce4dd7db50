import { startHost } from './host.ts';
import { log } from './log.ts';
import { parseOptions } from './options.ts';

// A local Azure Functions host: docs/local-host.md.
try {
  const host = await startHost(parseOptions(process.argv.slice(2)));
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    log('information', 'host', `${signal}: waiting for running functions.`);
    host.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log('critical', 'host', `Stopping failed: ${String(error)}`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Node would end the process. Azure starts an ended worker again, and nobody may do that here: it is said, and the host goes on.
  process.on('unhandledRejection', (reason) =>
    log('error', 'app', `Unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}`),
  );
  process.stdout.write(`ready http://127.0.0.1:${host.port}\n`);
} catch (error) {
  log('critical', 'host', error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(1);
}
