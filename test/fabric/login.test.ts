import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Account, judgeLogin, passwordMatches } from '../../local/azure/guest/guacamoleLogin.ts';

const salt = Buffer.alloc(32, 0xab);
const account: Account = {
  ...{ userId: 1, entityId: 1, name: 'ana', passwordSalt: salt },
  passwordHash: createHash('sha256')
    .update(`päss${salt.toString('hex').toUpperCase()}`, 'utf8')
    .digest(),
  ...{
    disabled: false,
    expired: false,
    accessWindowStart: null,
    accessWindowEnd: null,
    validFrom: null,
    validUntil: null,
    timezone: null,
  },
};
/** Half past ten in the evening in Berlin, still the same day there and in UTC. */
const now = new Date('2026-07-01T20:30:00Z');

test.each<[string, Partial<Account>, string]>([
  ['an ordinary account', {}, 'granted'],
  ['a disabled account', { disabled: true }, 'refused'],
  ['an expired password', { expired: true }, 'newPassword'],
  ['a window that is open', { accessWindowStart: '20:00:00', accessWindowEnd: '21:00:00' }, 'granted'],
  ['a window that is shut', { accessWindowStart: '08:00:00', accessWindowEnd: '20:00:00' }, 'refused'],
  [
    "the same window in the account's own time zone",
    { accessWindowStart: '22:00:00', accessWindowEnd: '23:00:00', timezone: 'Europe/Berlin' },
    'granted',
  ],
  ['a window over midnight', { accessWindowStart: '20:00:00', accessWindowEnd: '04:00:00' }, 'granted'],
  ['a window without an end', { accessWindowStart: '21:00:00' }, 'refused'],
  ['the last day of its validity', { validUntil: '2026-07-01' }, 'granted'],
  ['the day after its validity', { validUntil: '2026-06-30' }, 'refused'],
  ['the day before its validity', { validFrom: '2026-07-02' }, 'refused'],
  ['a time zone in which the first day has come', { validFrom: '2026-07-02', timezone: 'Asia/Tokyo' }, 'granted'],
])('%s', (_title, change, outcome) => {
  expect(judgeLogin({ ...account, ...change }, 'päss', now)).toBe(outcome);
});

test('a wrong password is refused before anything is said about the account', () => {
  expect(judgeLogin({ ...account, expired: true }, 'pass', now)).toBe('refused');
});

test('an account without a salt has the plain hash', () => {
  expect(passwordMatches('x', { passwordHash: createHash('sha256').update('x').digest(), passwordSalt: null })).toBe(
    true,
  );
});
