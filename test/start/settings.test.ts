import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { settings } from '../../shared/config.ts';

/** Read by the Functions platform and by @azure/identity, not by our code. */
const platform = ['FUNCTIONS_WORKER_RUNTIME', 'AzureWebJobsStorage', 'IDENTITY_ENDPOINT', 'IDENTITY_HEADER'];

test('local.settings.sample.json holds every setting, nothing else, in a form that is accepted', () => {
  const text = readFileSync(join(import.meta.dirname, '../../local.settings.sample.json'), 'utf8');
  const { Values } = JSON.parse(text) as { Values: Record<string, string> };
  expect(Object.keys(Values).sort()).toEqual([...platform, ...Object.keys(settings.shape)].sort());
  expect(settings.safeParse(Values).error).toBeUndefined();
});
