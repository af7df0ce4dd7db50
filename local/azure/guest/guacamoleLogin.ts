/** May this account log in now? Guacamole's own rules. Pure. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** A row of guacamole_user; dates as `yyyy-MM-dd`, times as `HH:mm:ss`. */
export interface Account {
  userId: number;
  entityId: number;
  name: string;
  passwordHash: Buffer;
  passwordSalt: Buffer | null;
  disabled: boolean;
  expired: boolean;
  accessWindowStart: string | null;
  accessWindowEnd: string | null;
  validFrom: string | null;
  validUntil: string | null;
  timezone: string | null;
}

/** `newPassword`: the password is right but must be changed first. */
export type LoginOutcome = 'granted' | 'refused' | 'newPassword';

/** SHA-256 of the password and the salt in upper-case hexadecimal digits. */
export function passwordMatches(password: string, account: Pick<Account, 'passwordHash' | 'passwordSalt'>): boolean {
  const salt = account.passwordSalt?.toString('hex').toUpperCase() ?? '';
  const hash = createHash('sha256').update(`${password}${salt}`, 'utf8').digest();
  return hash.length === account.passwordHash.length && timingSafeEqual(hash, account.passwordHash);
}

export function judgeLogin(account: Account, password: string, now: Date): LoginOutcome {
  if (!passwordMatches(password, account)) return 'refused';
  if (account.disabled || !withinValidity(account, now) || !withinWindow(account, now)) return 'refused';
  return account.expired ? 'newPassword' : 'granted';
}

/** Both days count. */
function withinValidity({ validFrom, validUntil, timezone }: Account, now: Date): boolean {
  const today = localParts(now, timezone).date;
  return (!validFrom || today >= validFrom) && (!validUntil || today <= validUntil);
}

/** A window that ends before it starts goes over midnight. */
function withinWindow({ accessWindowStart: start, accessWindowEnd: end, timezone }: Account, now: Date): boolean {
  const time = localParts(now, timezone).time;
  if (start && end) return start <= end ? time >= start && time <= end : time >= start || time <= end;
  return (!start || time >= start) && (!end || time <= end);
}

function localParts(now: Date, timezone: string | null): { date: string; time: string } {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: timezone || 'UTC',
    ...{ year: 'numeric', month: '2-digit', day: '2-digit' },
    ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
  });
  const [date = '', time = ''] = format.format(now).split(' ');
  return { date, time };
}
