/**
 * Stands in for the image guacamole/guacamole in a guest. Argument: `address:port` to listen on. Environment: the image's own
 * variables, `LOCAL_VOLUMES` (container path → path here) and `LOCAL_SOURCE` (the node's address as others see it).
 */
import { readFileSync } from 'node:fs';
import { openGuacamoleDatabase } from './guacamoleDatabase.ts';
import { createGuacamoleServer } from './guacamoleServer.ts';
import { openSessions } from './guacamoleSessions.ts';

const [address = '', port = ''] = (process.argv[2] ?? '').split(':');
const volumes: Record<string, string> = JSON.parse(process.env.LOCAL_VOLUMES ?? '{}');
const checkEveryMs = 1000;

/** A path in the container as it is here. */
function hostPath(path: string): string {
  for (const [inside, host] of Object.entries(volumes))
    if (path.startsWith(`${inside}/`)) return host + path.slice(inside.length);
  return path;
}

const database = openGuacamoleDatabase(process.env, (path) => readFileSync(hostPath(path), 'utf8'));
const sessions = openSessions(database);
const context = process.env.WEBAPP_CONTEXT ?? 'guacamole';
let ready = false;

/** Until the first login to the database has succeeded, the web application counts as not there. */
async function waitForDatabase(): Promise<void> {
  try {
    await database.check();
    ready = true;
    console.error('ready');
  } catch (error) {
    console.error(`database: ${(error as Error).message}`);
    setTimeout(waitForDatabase, checkEveryMs);
  }
}

const server = createGuacamoleServer({
  database,
  sessions,
  path: context === 'ROOT' ? '' : `/${context}`,
  ready: () => ready,
  trustProxy: process.env.REMOTE_IP_VALVE_ENABLED === 'true',
});
server.listen(Number(port), address);
void waitForDatabase();

process.once('SIGTERM', () => {
  // Docker gives a container ten seconds; an unreachable database must not take them all.
  setTimeout(() => process.exit(0), 1500).unref();
  void sessions.endAll().finally(() => process.exit(0));
});
