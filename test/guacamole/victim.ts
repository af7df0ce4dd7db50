import { HttpRequest, InvocationContext } from '@azure/functions';
import { connectionsRoutes } from '../../functions/connections.ts';
import type { Deps } from '../../shared/deps.ts';
import { type DatabaseLogin, openDatabase } from '../../shared/guacamole/database.ts';
import { serve } from '../../shared/serve.ts';

/**
 * A process that makes one connection by the API and is meant to be killed meanwhile. Its tables are its parent's: every call is
 * sent there and answered, or not.
 */
process.once('message', (login: DatabaseLogin) => void makeConnection(login));

async function makeConnection(login: DatabaseLogin): Promise<void> {
  const db = openDatabase(login);
  const deps = {
    now: () => new Date(),
    config: { MOLCAJETE_API_URL: 'https://api.test/api' },
    authenticate: async () => ({ objectId: 'o', name: 'n', roles: ['Connection.Admin'] }),
    guacamole: async () => db,
    tables: {
      audit: {
        createEntity: ask('createEntity'),
        updateEntity: ask('updateEntity'),
        deleteEntity: ask('deleteEntity'),
      },
    },
  } as unknown as Deps;
  const route = connectionsRoutes(deps).find(({ definition }) => definition.operationId === 'Connections_Create');
  if (!route) throw new Error('there is no such route');
  const request = new HttpRequest({
    method: 'POST',
    url: 'https://api.test/api/jump-servers/office/connections',
    params: { name: 'office' },
    headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
    body: { string: JSON.stringify({ name: 'made by the victim', protocol: 'ssh' }) },
  });
  await serve(route, deps, request, new InvocationContext());
}

let questions = 0;

/** Times do not survive as messages, so the parent turns them back. */
const ask =
  (method: string) =>
  async (...args: unknown[]): Promise<void> => {
    const number = questions++;
    await new Promise<void>((resolve) => {
      process.on('message', (answered: unknown) => {
        if (answered === number) resolve();
      });
      process.send?.({ number, method, args });
    });
  };
