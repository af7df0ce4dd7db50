/** What one Guacamole web application keeps in its memory: logins and open sessions. A restart forgets all of it. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Connection, GuacamoleDatabase } from './guacamoleDatabase.ts';
import type { Account } from './guacamoleLogin.ts';
import type { Tunnel } from './guacamoleTunnel.ts';

export interface Login {
  token: string;
  account: Account;
  administrator: boolean;
  historyId: number;
  usedAt: number;
}

export interface Session {
  id: string;
  login: Login;
  connection: Connection;
  remoteHost: string;
  startedAt: Date;
  historyId: number;
  tunnel?: Tunnel;
}

export interface Sessions {
  logIn(account: Account, administrator: boolean, remoteHost: string): Promise<Login>;
  find(token: string): Login | undefined;
  /** False when there is no such login. Ends its sessions. */
  logOut(token: string): Promise<boolean>;
  /** Undefined when the connection's limits are reached. */
  open(login: Login, connection: Connection, remoteHost: string): Promise<Session | undefined>;
  end(session: Session): Promise<void>;
  active(): Session[];
  /** Ends everything in an orderly way, so that no history row stays open. */
  endAll(): Promise<void>;
}

const idleMs = 60 * 60 * 1000;

export function openSessions(database: GuacamoleDatabase): Sessions {
  const logins = new Map<string, Login>();
  const sessions = new Map<string, Session>();

  async function end(session: Session): Promise<void> {
    if (!sessions.delete(session.id)) return;
    session.tunnel?.close();
    await database.endSession(session.historyId);
  }

  async function logOut(token: string): Promise<boolean> {
    const login = logins.get(token);
    if (!login) return false;
    logins.delete(token);
    for (const session of sessions.values()) if (session.login === login) await end(session);
    await database.endLogin(login.historyId);
    return true;
  }

  const isFull = (login: Login, { id, maxConnections, maxConnectionsPerUser }: Connection): boolean => {
    const same = [...sessions.values()].filter((session) => session.connection.id === id);
    const own = same.filter((session) => session.login.account.userId === login.account.userId);
    return (
      (maxConnections ? same.length >= maxConnections : false) ||
      (maxConnectionsPerUser ? own.length >= maxConnectionsPerUser : false)
    );
  };

  return {
    async logIn(account, administrator, remoteHost) {
      const historyId = await database.beginLogin(account, remoteHost);
      const login = {
        token: randomBytes(32).toString('hex').toUpperCase(),
        account,
        administrator,
        historyId,
        usedAt: Date.now(),
      };
      logins.set(login.token, login);
      return login;
    },
    find(token) {
      const login = logins.get(token);
      if (!login) return undefined;
      if (Date.now() - login.usedAt > idleMs && ![...sessions.values()].some((session) => session.login === login)) {
        void logOut(token).catch(() => {});
        return undefined;
      }
      login.usedAt = Date.now();
      return login;
    },
    logOut,
    async open(login, connection, remoteHost) {
      if (isFull(login, connection)) return undefined;
      const historyId = await database.beginSession(login.account, connection, remoteHost);
      const session: Session = { id: randomUUID(), login, connection, remoteHost, startedAt: new Date(), historyId };
      sessions.set(session.id, session);
      return session;
    },
    end,
    active: () => [...sessions.values()],
    async endAll() {
      for (const token of [...logins.keys()]) await logOut(token);
    },
  };
}
