import { spawn } from 'node:child_process';
import { AzureNamedKeyCredential, TableClient } from '@azure/data-tables';
import type { Tables } from '../../shared/store/tables.ts';
import { freePort } from './mariadb.ts';

/** The account and key that Azurite has for everybody; they are in its manual. */
const ACCOUNT = 'devstoreaccount1';
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** A table service with an audit table, in memory. It dies with this process. */
export async function startTableService(): Promise<{ tables: Tables; stop(): Promise<void> }> {
  const azurite = new URL('../../node_modules/azurite/dist/src/table/main.js', import.meta.url).pathname;
  const port = await freePort();
  const options = ['--tablePort', String(port), '--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry'];
  const service = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, azurite, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    let said = '';
    service.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('successfully started')) resolve();
    });
    service.once('exit', (code) => reject(new Error(`the table service ended with ${code}: ${said}`)));
  });
  const audit = new TableClient(
    `http://127.0.0.1:${port}/${ACCOUNT}`,
    'audit',
    new AzureNamedKeyCredential(ACCOUNT, KEY),
    {
      allowInsecureConnection: true,
    },
  );
  await audit.createTable();
  return {
    tables: { audit } as unknown as Tables,
    async stop() {
      const ended = new Promise((resolve) => service.once('exit', resolve));
      service.kill('SIGKILL');
      await ended;
    },
  };
}
