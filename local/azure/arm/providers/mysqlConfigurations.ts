import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import { parentId } from '../ids.ts';
import type { ActionRule, Kind } from '../kind.ts';
import { asObject, asText, objects } from '../values.ts';
import { requireReady, serverType } from './mysqlState.ts';

const type = `${serverType}/configurations`;

interface Configuration {
  value: string;
  allows(value: string): boolean;
  allowedText: string;
  dataType: string;
  /** Takes effect without a restart. */
  dynamic: boolean;
}

const flag = (value: 'ON' | 'OFF', dynamic = true): Configuration => ({
  value,
  allows: (given) => /^(ON|OFF)$/i.test(given),
  allowedText: 'ON,OFF',
  dataType: 'Enumeration',
  dynamic,
});
const number = (value: number, from: number, to: number, dynamic = true): Configuration => ({
  value: String(value),
  allows: (given) => /^\d+$/.test(given) && Number(given) >= from && Number(given) <= to,
  allowedText: `${from}-${to}`,
  dataType: 'Integer',
  dynamic,
});

/** The server parameters that are modelled, with Azure's defaults. */
const parameters: Record<string, Configuration> = {
  require_secure_transport: flag('ON'),
  tls_version: {
    value: 'TLSv1.2',
    allows: (given) => /^TLSv1\.[23](,TLSv1\.[23])*$/i.test(given),
    allowedText: 'TLSv1.2,TLSv1.3',
    dataType: 'Set',
    dynamic: false,
  },
  max_connections: number(341, 10, 1365),
  wait_timeout: number(28_800, 1, 31_536_000),
  interactive_timeout: number(28_800, 1, 31_536_000),
  slow_query_log: flag('OFF'),
  long_query_time: number(10, 0, 31_536_000),
  event_scheduler: flag('ON'),
  audit_log_enabled: flag('OFF'),
  time_zone: {
    value: 'SYSTEM',
    allows: (given) => /^(SYSTEM|[+-](0?\d|1[0-4]):[0-5]\d)$/i.test(given),
    allowedText: '[+|-][0]{0,1}[0-9]:[0-5][0-9]|SYSTEM',
    dataType: 'String',
    dynamic: true,
  },
  lower_case_table_names: {
    value: '1',
    allows: (given) => /^[12]$/.test(given),
    allowedText: '1,2',
    dataType: 'Enumeration',
    dynamic: false,
  },
  innodb_lock_wait_timeout: number(50, 1, 3600),
};

export const configurationNames = Object.keys(parameters);

/** The parameter of this name. Throws ArmError when there is none, or when it may not have the value. */
function findParameter(name: string, value?: string): Configuration {
  const found = parameters[name.toLowerCase()];
  if (found === undefined)
    throw new ArmError(404, 'ResourceNotFound', `The server parameter '${name}' does not exist.`);
  if (value !== undefined && !found.allows(value))
    throw new ArmError(
      400,
      'InvalidParameterValue',
      `The value '${value}' of '${name}' is not allowed; allowed: ${found.allowedText}.`,
    );
  return found;
}

/** What is asked for a parameter: `system-default` as its source takes it back to the default. */
function readParameter(name: string, given: Record<string, unknown>): { value: string; source: string } {
  const source = asText(given.source) || 'user-override';
  const { value: usual } = findParameter(name);
  const value = source === 'system-default' ? usual : asText(given.value);
  findParameter(name, value);
  return { value, source };
}

/** A static parameter keeps the value it has had since the start of the server, until the next one. */
function inForce(name: string, before: Stored | undefined, value: string): Record<string, unknown> {
  const { dynamic, value: usual } = findParameter(name);
  const now = asText(before?.internal.inForce) || asText(before?.properties.value) || usual;
  return dynamic || now === value ? {} : { inForce: now };
}

/** A server that has started again uses what was written. */
export function useWritten(env: ArmEnv, server: string): void {
  for (const { id, internal } of env.state.list(type, server))
    if (internal.inForce !== undefined)
      env.state.update(id, (copy) => {
        delete copy.internal.inForce;
      });
}

const propertiesOf = (name: string, stored: Stored | undefined) => {
  const parameter = findParameter(name);
  const value = asText(stored?.properties.value) || parameter.value;
  const pending = stored?.internal.inForce;
  return {
    value,
    currentValue: asText(pending) || value,
    defaultValue: parameter.value,
    description: name,
    dataType: parameter.dataType,
    allowedValues: parameter.allowedText,
    source: asText(stored?.properties.source) || 'system-default',
    isReadOnly: 'False',
    isConfigPendingRestart: pending === undefined ? 'False' : 'True',
    isDynamicConfig: parameter.dynamic ? 'True' : 'False',
  };
};

export function showConfiguration(env: ArmEnv, server: Stored, name: string) {
  const id = `${server.id}/configurations/${name}`;
  return { id, name, type, properties: propertiesOf(name, env.state.get(id)) };
}

export const configurationKind: Kind = {
  type,
  style: 'mysql',
  location: 'none',
  lockedWithParent: true,
  properties: { value: 'string', source: 'system-default|user-override', currentValue: 'string', '*': 'ro' },
  noDelete: true,
  implicit: true,
  patch: 'merge',
  prepare({ resource, existing, body, env }) {
    const server = env.state.get(parentId(resource.id));
    if (server) requireReady(server, 'UpdateServerParameters');
    resource.properties = readParameter(resource.name, {
      ...resource.properties,
      source: asObject(body.properties).source,
    });
    const { inForce: _before, ...internal } = resource.internal;
    resource.internal = { ...internal, ...inForce(resource.name, existing, asText(resource.properties.value)) };
  },
  view(copy, stored) {
    copy.properties = propertiesOf(copy.name, stored);
  },
};

/** Many parameters at once: all are checked before any is written. */
export const updateConfigurations: ActionRule = {
  check(server, body) {
    requireReady(server, 'UpdateServerParameters');
    for (const one of objects(body.value)) readParameter(asText(one.name), asObject(one.properties));
  },
  async work(server, env, body) {
    const names = objects(body.value).map((one) => {
      const name = asText(one.name);
      const properties = readParameter(name, asObject(one.properties));
      const id = `${server.id}/configurations/${name}`;
      const internal = inForce(name, env.state.get(id), properties.value);
      env.state.put({ id, name, type, properties, internal });
      return name;
    });
    return { value: names.map((name) => showConfiguration(env, server, name)) };
  },
};
