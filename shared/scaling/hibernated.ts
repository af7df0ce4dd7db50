import { ApiError } from '../errors.ts';

/** What is answered to whoever needs the database of a jump server that sleeps. */
export const hibernated = (jumpServer: string, sentence = `The jump server '${jumpServer}' hibernates.`): ApiError =>
  new ApiError(
    409,
    'JumpServerHibernated',
    `${sentence} Wake it by POST /jump-servers/${jumpServer}/scale with {"count": 1} or more, or wait for its schedule.`,
    { target: jumpServer },
  );
