import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const settingsFile = z.object({ Values: z.record(z.string(), z.coerce.string()).default({}) });

/**
 * Puts every entry of `Values` of a settings file into the environment, as `func start` does: what is already there wins.
 * @param file an explicit file, which must exist, or null for `local.settings.json` in the app directory, which need not.
 */
export function applySettings(app: string, file: string | null): void {
  const path = file ?? join(app, 'local.settings.json');
  if (!file && !existsSync(path)) return;
  const { Values } = settingsFile.parse(readJson(path));
  for (const [name, value] of Object.entries(Values)) process.env[name] ??= value;
}

const hostFile = z.object({
  extensions: z
    .object({
      http: z.object({ routePrefix: z.string().optional() }).optional(),
      durableTask: z
        .object({
          hubName: z.string().optional(),
          maxConcurrentActivityFunctions: z.number().int().positive().nullish(),
          maxConcurrentOrchestratorFunctions: z.number().int().positive().nullish(),
        })
        .optional(),
    })
    .optional(),
});

/** The members of host.json that this host honours, with the real host's defaults. */
export interface HostConfig {
  readonly routePrefix: string;
  readonly hubName: string;
  readonly maxActivities: number;
  readonly maxOrchestrators: number;
}

/** Reads host.json. A missing file means all defaults; `%NAME%` in the hub name is an app setting. */
export function readHostConfig(app: string, cores: number): HostConfig {
  const path = join(app, 'host.json');
  const { extensions } = hostFile.parse(existsSync(path) ? readJson(path) : {});
  const durable = extensions?.durableTask;
  return {
    routePrefix: (extensions?.http?.routePrefix ?? 'api').replace(/^\/+|\/+$/g, ''),
    // Core Tools start the app without WEBSITE_SITE_NAME, and then the extension's default hub is this one.
    hubName: resolveAppSettings(durable?.hubName ?? 'TestHubName'),
    maxActivities: durable?.maxConcurrentActivityFunctions ?? 10 * cores,
    maxOrchestrators: durable?.maxConcurrentOrchestratorFunctions ?? 10 * cores,
  };
}

/**
 * Replaces `%NAME%` by the app setting NAME, as binding expressions do.
 * @throws Error when the setting is missing.
 */
export function resolveAppSettings(text: string): string {
  return text.replace(/%([^%]+)%/g, (_, name: string) => {
    const value = process.env[name];
    if (value === undefined) throw new Error(`"${text}" needs the app setting ${name}, which is not set.`);
    return value;
  });
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path} cannot be read as JSON: ${String(error)}`);
  }
}
