import { ArmError } from './failure.ts';

/** The API versions that are served, by namespace; the clients' own ones and those which templates use. */
const served: Record<string, string[]> = {
  'Microsoft.Resources': [
    '2021-04-01',
    '2022-09-01',
    '2023-07-01',
    '2024-03-01',
    '2024-07-01',
    '2024-11-01',
    '2025-03-01',
    '2025-04-01',
  ],
  'Microsoft.Network': [
    '2018-09-01',
    '2020-01-01',
    '2020-06-01',
    '2020-11-01',
    '2021-08-01',
    '2022-07-01',
    '2023-09-01',
    '2023-11-01',
    '2024-01-01',
    '2024-03-01',
    '2024-05-01',
    '2024-06-01',
    '2024-07-01',
    '2024-10-01',
    '2025-01-01',
    '2025-03-01',
    '2025-05-01',
    '2025-07-01',
    '2026-01-01',
  ],
  'Microsoft.Compute': [
    '2021-07-01',
    '2022-03-02',
    '2023-03-01',
    '2023-09-01',
    '2024-03-01',
    '2024-03-02',
    '2024-07-01',
    '2024-11-01',
    '2025-01-02',
    '2025-04-01',
    '2026-03-02',
    '2026-04-01',
  ],
  'Microsoft.DBforMySQL': ['2021-05-01', '2022-01-01', '2023-06-30', '2023-12-30', '2024-10-01-preview', '2024-12-30'],
  'Microsoft.Authorization': [
    '2016-09-01',
    '2017-04-01',
    '2018-01-01-preview',
    '2020-05-01',
    '2022-04-01',
    '2022-05-01-preview',
  ],
  'Microsoft.ManagedIdentity': ['2018-11-30', '2023-01-31', '2024-11-30'],
  'Microsoft.ResourceHealth': ['2018-07-01', '2020-05-01', '2022-10-01', '2024-02-01', '2025-04-01', '2025-05-01'],
  'Microsoft.KeyVault': [
    '2021-10-01',
    '2022-07-01',
    '2023-02-01',
    '2023-07-01',
    '2024-11-01',
    '2025-05-01',
    '2026-02-01',
  ],
};

/** Throws 400 for a missing, malformed or unknown version, in ARM's words. `type` is the whole resource type. */
export function checkApiVersion(version: string | null, namespace: string, type: string, location: string): string {
  if (!version)
    throw new ArmError(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests.',
    );
  if (!/^\d{4}-\d\d-\d\d(-preview)?$/.test(version))
    throw new ArmError(
      400,
      'InvalidApiVersionParameter',
      `The api-version '${version}' is invalid. The supported versions are '${served['Microsoft.Resources']?.join(',')}'.`,
    );
  const name = Object.keys(served).find((known) => known.toLowerCase() === namespace.toLowerCase());
  const versions = name === undefined ? undefined : served[name];
  if (versions === undefined)
    throw new ArmError(404, 'InvalidResourceNamespace', `The resource namespace '${namespace}' is invalid.`);
  if (!versions.includes(version))
    throw new ArmError(
      400,
      'NoRegisteredProviderFound',
      `No registered resource provider found for location '${location}' and API version '${version}' for type '${type}'. The supported api-versions are '${versions.join(', ')}'.`,
    );
  return version;
}
