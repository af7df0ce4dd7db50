import { readArmError } from '../azure/armError.ts';

/** What a look at something finds. What cannot be read just now says nothing; what never can is a finding itself. */
export async function ifReadable(what: string, look: () => Promise<string[]>): Promise<string[]> {
  try {
    return await look();
  } catch (error) {
    const { kind, failure } = readArmError(error);
    return kind === 'hopeless' ? [`${what} cannot be read: ${failure.code}`] : [];
  }
}
