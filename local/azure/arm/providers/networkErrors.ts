import { ArmError } from '../failure.ts';

/** The network provider refuses with 400 whatever is wrong with a body or still in use. */
export const bad = (code: string, message: string): ArmError => new ArmError(400, code, message);

export const networkStates = {
  property: 'provisioningState',
  creating: 'Updating',
  updating: 'Updating',
  ready: 'Succeeded',
  deleting: 'Deleting',
  failed: 'Failed',
};
