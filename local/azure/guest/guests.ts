/** Virtual machines as a data plane: each has a guest that lives as its VM does. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ArmResource, AzureFailure, type DataPlane } from '../contract.ts';
import { key, object, resourceGroupOf, text } from '../fabric/read.ts';
import { withoutMachine } from '../fabric/stateOnly.ts';
import { type Guest, type GuestParts, openGuest } from './guest.ts';

/** What ends a fault: nothing but a new VM ends `lose`. */
type Fault = 'crash' | 'freeze' | 'isolate' | 'lose';
const cures: Record<string, Fault[]> = {
  start: ['crash', 'freeze'],
  restart: ['crash', 'freeze'],
  reimage: ['crash', 'freeze'],
  redeploy: ['crash', 'freeze', 'isolate'],
};

interface Machine {
  vm: ArmResource;
  guest: Guest;
  dir: string;
}

interface Power {
  running: boolean;
  fault?: Fault;
}

export interface Guests {
  dataPlane: DataPlane;
  close(): Promise<void>;
}

export function openGuests(parts: GuestParts): Guests {
  const { context } = parts;
  const machines = new Map<string, Machine>();
  const turns = new Map<string, Promise<unknown>>();

  /** One thing at a time for each VM. */
  function inTurn<T>(vm: ArmResource, work: () => Promise<T>): Promise<T> {
    const mine = (turns.get(key(vm.id)) ?? Promise.resolve()).then(work, work);
    turns.set(
      key(vm.id),
      mine.catch(() => {}),
    );
    return mine;
  }

  function machineOf(vm: ArmResource): Machine {
    const known = machines.get(key(vm.id));
    if (known) return known;
    const dir = join(context.dir, 'guests', `${resourceGroupOf(vm)}--${vm.name}`.toLowerCase());
    const machine = { vm, dir, guest: openGuest(parts, vm.id, dir) };
    machines.set(key(vm.id), machine);
    return machine;
  }

  const powerFile = (machine: Machine): string => join(machine.dir, 'power.json');
  const readPower = (machine: Machine): Power =>
    existsSync(powerFile(machine)) ? JSON.parse(readFileSync(powerFile(machine), 'utf8')) : { running: true };
  function setPower(machine: Machine, power: Power): void {
    mkdirSync(machine.dir, { recursive: true });
    writeFileSync(powerFile(machine), JSON.stringify(power));
  }

  /** Custom data reaches an instance once, at its creation; the VM keeps it with its disk. */
  function customData(machine: Machine, given?: string): string | undefined {
    const file = join(machine.dir, 'custom-data');
    if (given && !existsSync(file)) {
      mkdirSync(machine.dir, { recursive: true });
      writeFileSync(file, given, { mode: 0o600 });
    }
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  async function bootUnlessFaulty(machine: Machine): Promise<void> {
    if (readPower(machine).fault) return;
    try {
      await machine.guest.boot(customData(machine));
    } catch (error) {
      // The platform reports the VM as running; what is inside is another matter.
      context.log(`Guest ${machine.vm.name} does not boot: ${(error as Error).message}`);
    }
  }

  async function apply(vm: ArmResource, writeOnly: Record<string, unknown>): Promise<undefined> {
    if (withoutMachine(vm)) return undefined;
    const machine = machineOf(vm);
    customData(machine, text(writeOnly.customData) ?? text(object(vm.properties.osProfile).customData));
    if (!existsSync(powerFile(machine))) setPower(machine, { running: true });
    if (readPower(machine).running) await bootUnlessFaulty(machine);
    return undefined;
  }

  /** Ends what this action cures, and starts the guest unless something else is wrong with it. */
  async function powerOn(machine: Machine, action: string): Promise<void> {
    const { fault } = readPower(machine);
    setPower(machine, { running: true, fault: fault && cures[action]?.includes(fault) ? undefined : fault });
    await bootUnlessFaulty(machine);
  }

  async function powerOff(machine: Machine, abrupt: boolean): Promise<void> {
    setPower(machine, { ...readPower(machine), running: false });
    await (abrupt ? machine.guest.kill() : machine.guest.shutDown());
  }

  const breaks = (fault: Fault, work: (guest: Guest) => Promise<void> | void) => async (machine: Machine) => {
    setPower(machine, { running: readPower(machine).running, fault });
    await work(machine.guest);
    if (fault === 'lose') await machine.guest.kill();
    return undefined;
  };

  type Action = (machine: Machine, body: Record<string, unknown>) => Promise<unknown>;
  const again =
    (action: string, between?: (machine: Machine) => Promise<void>): Action =>
    async (machine) => {
      await machine.guest.shutDown();
      await between?.(machine);
      await powerOn(machine, action);
    };
  const actions: Record<string, Action> = {
    start: (machine) => powerOn(machine, 'start'),
    poweroff: (machine, body) => powerOff(machine, body.skipShutdown === true),
    deallocate: (machine) => powerOff(machine, false),
    restart: again('restart'),
    redeploy: again('redeploy'),
    reapply: async () => undefined,
    reimage: again('reimage', async (machine) => {
      const custom = customData(machine);
      await machine.guest.wipe();
      customData(machine, custom);
    }),
    runcommand: runCommand,
    instanceview: async (machine) => ({ vmAgent: agentView(machine) }),
    'fault:crash': breaks('crash', (guest) => guest.kill()),
    'fault:freeze': breaks('freeze', (guest) => guest.freeze()),
    'fault:isolate': breaks('isolate', (guest) => guest.freeze()),
    'fault:lose': breaks('lose', (guest) => guest.kill()),
  };

  const answers = ({ guest }: Machine): boolean => guest.isRunning() && !guest.isFrozen();

  async function runCommand(machine: Machine, body: Record<string, unknown>): Promise<Record<string, unknown>> {
    if (!answers(machine)) {
      const why = readPower(machine).running
        ? [
            'VMAgentStatusCommunicationError',
            `VM '${machine.vm.name}' has not reported status for VM agent or extensions.`,
          ]
        : ['OperationNotAllowed', 'Cannot modify extensions in the VM when the VM is not running.'];
      throw new AzureFailure(why[0] ?? '', why[1] ?? '');
    }
    const lines = Array.isArray(body.script) ? body.script.map(String) : [];
    const { stdout, stderr } = await machine.guest.runScript(`${lines.join('\n')}\n`);
    const message = `Enable succeeded: \n[stdout]\n${stdout}\n[stderr]\n${stderr}`;
    return {
      value: [{ code: 'ProvisioningState/succeeded', level: 'Info', displayStatus: 'Provisioning succeeded', message }],
    };
  }

  function agentView(machine: Machine): Record<string, unknown> {
    const ready = answers(machine);
    const status = ready
      ? {
          code: 'ProvisioningState/succeeded',
          level: 'Info',
          displayStatus: 'Ready',
          message: 'Guest Agent is running',
        }
      : {
          code: 'ProvisioningState/Unavailable',
          level: 'Warning',
          displayStatus: 'Not Ready',
          message: 'VM status blob is found but not yet populated.',
        };
    return {
      vmAgentVersion: ready ? '2.14.0.1' : 'Unknown',
      statuses: [{ ...status, time: new Date().toISOString() }],
    };
  }

  async function act(
    vm: ArmResource,
    name: string,
    body: Record<string, unknown>,
  ): Promise<Record<string, unknown> | undefined> {
    const action = actions[name.toLowerCase()];
    if (!action) throw new AzureFailure('NotFound', `A virtual machine has no action '${name}'.`, 404);
    if (withoutMachine(vm)) return undefined;
    const answer = await action(machineOf(vm), body);
    return answer === undefined ? undefined : object(answer);
  }

  return {
    dataPlane: {
      apply: (vm, writeOnly) => inTurn(vm, () => apply(vm, writeOnly)),
      // A look does not wait behind a shutdown, nor a fault behind a command that runs.
      act: (vm, name, body) =>
        /^(instanceView$|fault:)/.test(name) ? act(vm, name, body) : inTurn(vm, () => act(vm, name, body)),
      remove: (vm) =>
        inTurn(vm, async () => {
          await machineOf(vm).guest.wipe();
          machines.delete(key(vm.id));
        }),
    },
    async close() {
      await Promise.all([...machines.values()].map(({ guest }) => guest.shutDown()));
    },
  };
}
