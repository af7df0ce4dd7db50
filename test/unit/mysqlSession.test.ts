import { sql } from 'kysely';
import { expect, test, vi } from 'vitest';
import { acceptsLogin, withDatabase } from '../../shared/mysqlSession.ts';
import { sqlStub } from './sqlStub.ts';

const server = vi.hoisted(() => ({ answer: async (_statement: string): Promise<void> => {} }));
vi.mock('../../shared/guacamole/database.ts', () => ({
  poolGraceMilliseconds: 120_000,
  openDatabase: () => sqlStub((statement) => server.answer(statement)),
}));

const login = { username: 'molcajete', password: 'x' };

test('a statement that is never answered ends, as something to try again', async () => {
  server.answer = () => new Promise(() => {});
  const asked = withDatabase('mysql.test', login, undefined, (db) => sql`SELECT 1`.execute(db), 50);
  await expect(asked).rejects.toMatchObject({ code: 'ETIMEDOUT', message: expect.stringContaining('0.05 seconds') });
});

test('what is answered in time is left alone', async () => {
  server.answer = async () => {};
  expect(await acceptsLogin('mysql.test', login, undefined)).toBe(true);
});
