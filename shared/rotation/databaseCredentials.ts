import { afterError } from '../azure/armStep.ts';
import { type Step, Stopped } from '../azure/engine.ts';
import { databaseName } from '../azure/names.ts';
import { poolsMoveWithinSeconds } from '../databases.ts';
import { type Account, dropAccount, ensureAccount } from '../guacamole/accounts.ts';
import { ensureAdministrator } from '../guacamole/administrator.ts';
import { acceptsLogin, withDatabase } from '../mysqlSession.ts';
import { controlSecrets, type Login, randomPassword, type Vault } from '../secrets/vaults.ts';
import { accountNames, otherOf } from '../steps/accounts.ts';
import { setAdministratorPassword } from '../steps/administratorPassword.ts';
import { logIn } from '../steps/ingress.ts';
import { secondsAfter } from '../time.ts';
import type { Credential } from './credentials.ts';
import {
  briefStep,
  conclude,
  currentOutputs,
  isPending,
  pendingLogin,
  publishLogin,
  type Rotating,
  readLogin,
  rotationOf,
  tellDependants,
  waiting,
} from './rotating.ts';

/**
 * The MySQL server's administrator: the new password is in the vault first, so that whoever finds the server refusing it (after a crash
 * in between) can put the server right.
 */
export function mysqlAdministratorStep(rotating: Rotating, dependsOn: readonly string[]): Step {
  const { deps, server, writes } = rotating;
  const { control } = deps.vaults;
  const name = controlSecrets.mysqlAdministrator(server.name);
  const patch = `${server.name}/administratorPassword`;
  let errors = 0;
  return briefStep(rotating, 'mysqlAdministrator', dependsOn, async (_outputs, attempt) => {
    const login = await pendingLogin(rotating, 'mysqlAdministrator', control, name, attempt);
    const sent = writes.find(patch);
    try {
      if (sent !== undefined && (await attempt.within(sent)) === undefined) return waiting('Azure is changing it', 2);
      if (!(await acceptsLogin(await databaseHost(rotating), login, undefined))) {
        await attempt.permit();
        const made = writes.start(patch, undefined, () => setAdministratorPassword(deps, server.name, login.password));
        const settled = await attempt.within(made);
        return settled === undefined ? waiting('Azure is changing it', 2) : waiting('logging in', 0);
      }
    } catch (error) {
      writes.forget(patch);
      if (!(error instanceof Stopped) && isOfAzure(error)) return afterError(error, ++errors);
      throw error;
    }
    return conclude(rotating, 'mysqlAdministrator', control, name, login.version, attempt);
  });
}

/** Errors of the database have a number; those of Azure a status, or they are the plain ones of a failed operation. */
const isOfAzure = (error: unknown): boolean => error instanceof Error && !('errno' in error);

export async function databaseHost(rotating: Rotating): Promise<string> {
  const host = (await currentOutputs(rotating)).mysqlServer?.fullyQualifiedDomainName;
  if (host === undefined) throw new Error('The jump server has no database.');
  return host;
}

/** An account that works and its version in the vault. */
interface Published {
  login: Login;
  version: string;
}

/**
 * The other account of a pair: made, proven by a login, and only then published, so that the newest version in the vault always works.
 * One that an interrupted rotation has published is taken up.
 */
export async function publishOther(
  rotating: Rotating,
  { credential, vault, secret, pair, privileges, unfinished }: PairedAccount,
  attempt: Parameters<Step['ensure']>[1],
): Promise<Published> {
  const newest = await vault.find(secret);
  if (newest === undefined) throw new Error(`There is no secret ${secret}.`);
  const pending = unfinished(newest.version) || isPending(newest, rotationOf(rotating, credential));
  const login = pending
    ? readLogin(newest)
    : { username: otherOf(pair, readLogin(newest).username), password: randomPassword() };
  const host = await databaseHost(rotating);
  if (!(pending && (await acceptsLogin(host, login, databaseName)))) {
    await attempt.permit();
    await asAdministrator(rotating, (db) => ensureAccount(db, { ...login, privileges, database: databaseName }));
    if (!(await acceptsLogin(host, login, databaseName))) throw new Error('The new account is refused.');
  }
  const version = pending ? newest.version : await publishLogin(rotating, credential, vault, secret, login, attempt);
  return { login, version };
}

interface PairedAccount {
  credential: Credential;
  vault: Vault;
  secret: string;
  pair: (typeof accountNames)['control' | 'node'];
  privileges: Account['privileges'];
  /** Whether somebody does not use this newest version yet. */
  unfinished(newest: string): boolean;
}

/** Drops every account of the pair's kind but this one; nobody may be using them. */
export function dropOthers(rotating: Rotating, pair: PairedAccount['pair'], keep: string): Promise<void> {
  return asAdministrator(rotating, async (db) => {
    for (const name of pair) if (name !== keep) await dropAccount(db, name);
  });
}

async function asAdministrator<T>(
  rotating: Rotating,
  work: (db: Parameters<typeof ensureAccount>[0]) => Promise<T>,
): Promise<T> {
  const { deps, server } = rotating;
  const stored = await deps.vaults.control.find(controlSecrets.mysqlAdministrator(server.name));
  if (stored === undefined) throw new Error("There is no secret of the MySQL server's administrator.");
  return withDatabase(await databaseHost(rotating), readLogin(stored), undefined, work);
}

/** The control plane's own account. Requests go on: until all pools have gone over to the new account, both work. */
export function controlAccountSteps(rotating: Rotating, dependsOn: readonly string[]): Step[] {
  const { deps, server } = rotating;
  const { control } = deps.vaults;
  const secret = controlSecrets.controlAccount(server.name);
  const pair = accountNames.control;
  const publish = briefStep(rotating, 'controlAccount', dependsOn, async (_outputs, attempt) => {
    const paired = { credential: 'controlAccount', vault: control, secret, pair } as const;
    const made = await publishOther(
      rotating,
      { ...paired, privileges: 'control-plane', unfinished: () => false },
      attempt,
    );
    await tellDependants(rotating, 'database', { controlAccountVersion: made.version }, attempt);
    return { state: 'ready', output: { version: made.version } };
  });
  const retire = briefStep(rotating, 'controlAccount/former', ['controlAccount'], async (_outputs, attempt) => {
    const newest = await control.find(secret);
    if (newest === undefined) throw new Error(`There is no secret ${secret}.`);
    const moved = secondsAfter(newest.createdOn, poolsMoveWithinSeconds);
    const left = (moved.getTime() - deps.now().getTime()) / 1000;
    if (left > 0) return waiting('waits until every connection pool has gone over to the new account', Math.ceil(left));
    await attempt.permit();
    await dropOthers(rotating, pair, readLogin(newest).username);
    return conclude(rotating, 'controlAccount', control, secret, newest.version, attempt);
  });
  return [publish, retire];
}

/** Guacamole's administrator: a row of its database. The vault comes first, and whoever finds the password refused sets it again. */
export function guacadminStep(rotating: Rotating, dependsOn: readonly string[]): Step {
  const { deps, server } = rotating;
  const { control } = deps.vaults;
  const name = controlSecrets.guacadmin(server.name);
  return briefStep(rotating, 'guacadmin', dependsOn, async (_outputs, attempt) => {
    const login = await pendingLogin(rotating, 'guacadmin', control, name, attempt);
    await attempt.permit();
    await ensureAdministrator(await deps.guacamole(server.name), login);
    const outputs = await currentOutputs(rotating);
    const status = await logIn(deps, server.name, outputs, server.spec.ingress);
    if (status !== 200) return waiting(`a login at the ingress is answered with ${status}`);
    return conclude(rotating, 'guacadmin', control, name, login.version, attempt);
  });
}
