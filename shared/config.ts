import { z } from 'zod';

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/**
 * Every setting of the control plane, from the application settings of the Functions app (infra/main.bicep, locally
 * local.settings.sample.json). This is the only file that reads the environment.
 */
export const settings = z.object({
  AZURE_SUBSCRIPTION_ID: z.string().min(1),
  AZURE_TENANT_ID: z.string().min(1),
  /** Client id of the control plane's user-assigned identity. */
  AZURE_CLIENT_ID: z.string().min(1),
  MOLCAJETE_ARM_ENDPOINT: z.url().default('https://management.azure.com'),
  /** Table endpoint of the control plane's storage account. */
  MOLCAJETE_TABLES_URL: z.url(),
  /** The control plane's own vault: administrators' secrets. */
  MOLCAJETE_VAULT_URL: z.url(),
  /** Where nodes report to, with `/api`. */
  MOLCAJETE_API_URL: z.url(),
  /** Audiences of accepted tokens: application id URI, client id. The first is what nodes ask a token for. */
  MOLCAJETE_API_AUDIENCE: list.pipe(z.array(z.string()).min(1)),
  MOLCAJETE_ISSUER: z.url(),
  /** CIDRs from which the control plane itself reaches the ingress. */
  MOLCAJETE_EGRESS: list.pipe(z.array(z.cidrv4())),
  /** Subnet in the control plane's network for its private endpoints to MySQL servers. */
  MOLCAJETE_ENDPOINT_SUBNET_ID: z.string().min(1),
  /** The control plane's private DNS zone privatelink.mysql.database.azure.com. */
  MOLCAJETE_DNS_ZONE_ID: z.string().min(1),
  /** Resource group of the control plane, where its private endpoints are made. */
  MOLCAJETE_RESOURCE_GROUP: z.string().min(1),
  /** A node's agent reports at least this often, in seconds: how late it hears of a change, against how often it calls. */
  MOLCAJETE_REPORT_SECONDS: z.coerce.number().int().min(2).max(30).default(30),
});

export type Config = z.output<typeof settings>;

/** Reads the settings once at start. Throws with the names of all that are missing or malformed, never their values. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const parsed = settings.safeParse(environment);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new Error(`The application settings are not complete: ${wrong}`);
}
