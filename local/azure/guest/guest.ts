/** One VM's guest: boots, runs what its cloud-init brought, stops, breaks. */
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { Server as TcpServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { Context } from '../contract.ts';
import type { Addresses } from '../fabric/addresses.ts';
import { type Dns, hostsFileOf } from '../fabric/dns.ts';
import type { RequestHandler } from '../fabric/fabric.ts';
import type { Network } from '../fabric/network.ts';
import type { Nics } from '../fabric/nic.ts';
import { shortPath } from '../fabric/shortPath.ts';
import { parseCloudConfig } from './cloudConfig.ts';
import { runCloudInit } from './cloudInit.ts';
import { allWiresOf, type Machine, translateCommand } from './commands.ts';
import { keepLogsSmall } from './logs.ts';
import { dropRun, emptyRun } from './memory.ts';
import { mapPaths } from './paths.ts';
import { openScripts, type ScriptResult } from './scripts.ts';
import { answerShim, serveShims, shimPort, writeShims } from './shims.ts';
import { openUnits, type Units } from './units.ts';

export interface GuestParts {
  context: Context;
  network: Network;
  nics: Nics;
  addresses: Addresses;
  dns: Dns;
  imds(vmId: string): RequestHandler;
}

export interface Guest {
  /** Begins to boot: cloud-init or the enabled units go on when it resolves. Throws when there is no network interface. */
  boot(customData: string | undefined): Promise<void>;
  /** Orderly; then nothing runs. */
  shutDown(): Promise<void>;
  /** As when the power fails. */
  kill(): Promise<void>;
  freeze(): void;
  isRunning(): boolean;
  isFrozen(): boolean;
  /** As root, with the node's programs. */
  runScript(script: string): Promise<ScriptResult>;
  /** Forgets the OS disk. */
  wipe(): Promise<void>;
  units: Units;
}

const imdsPort = 16925;
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `dir`: the guest's own directory, its OS disk is `<dir>/root`. */
export function openGuest(parts: GuestParts, vmId: string, dir: string): Guest {
  const { context } = parts;
  const disk = join(dir, 'root');
  const root = shortPath(context.dir, disk);
  const logDir = join(dir, 'log');
  const shimDir = join(dir, 'shims');
  const firstBootDone = join(disk, 'var/lib/cloud/instance/boot-finished');
  let machine: Machine | undefined;
  let servers: (Server | TcpServer)[] = [];
  let frozen = false;
  let endTrimming = (): void => {};
  let generation = 0;

  const say = (line: string): void => {
    mkdirSync(logDir, { recursive: true });
    writeFileSync(join(logDir, 'cloud-init-output.log'), `${line}\n`, { flag: 'a' });
  };

  const env = (): Record<string, string> => ({
    PATH: `${shimDir}:${systemPath}`,
    HOME: join(root, 'root'),
    LANG: 'C.UTF-8',
    SSL_CERT_FILE: context.certificates.caFile,
    AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://${machine?.addresses.lo}:${imdsPort}`,
  });

  const translate = (argv: string[]) => {
    if (!machine) throw new Error('The guest is not running.');
    return translateCommand(machine, argv);
  };
  const units = openUnits({ root, logDir, env, translate });
  const scripts = openScripts(disk, env);

  function findMachine(): Machine {
    const nic = parts.network.nicOfVm(vmId);
    if (!nic) throw new Error('the VM has no network interface with an address');
    return {
      root,
      dir,
      nic,
      addresses: parts.addresses.nic(nic.id),
      allWires: allWiresOf(context.range),
      nowhere: parts.addresses.nowhere,
      network: parts.network,
      dns: parts.dns,
      hostsFile: hostsFileOf(context.dir, nic.networkId),
      caFile: context.certificates.caFile,
    };
  }

  /** What every boot brings: an empty /run, the metadata service, the network. */
  async function powerOn(): Promise<void> {
    machine = findMachine();
    const { nic, addresses } = machine;
    emptyRun(disk);
    for (const path of ['opt', 'root', 'var/log', 'etc/systemd/system', 'etc/ssl/certs'])
      mkdirSync(join(disk, path), { recursive: true });
    mkdirSync(logDir, { recursive: true });
    copyFileSync(context.certificates.caFile, join(disk, 'etc/ssl/certs/ca-certificates.crt'));
    rmSync(root, { force: true });
    symlinkSync(disk, root);
    writeShims(shimDir, addresses.lo);
    const imds = createServer(parts.imds(vmId));
    const shims = serveShims((question) =>
      answerShim(question, {
        units,
        translate,
        reboot: () => void reboot().catch((error: Error) => say(`reboot: ${error.message}`)),
      }),
    );
    servers = [imds, shims];
    endTrimming = keepLogsSmall(logDir);
    await Promise.all([listening(imds, addresses.lo, imdsPort), listening(shims, addresses.lo, shimPort)]);
    await parts.nics.attach(nic.id, () => !frozen);
  }

  async function powerOff(): Promise<void> {
    const nic = machine?.nic;
    machine = undefined;
    frozen = false;
    endTrimming();
    for (const server of servers) {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    }
    servers = [];
    dropRun(disk);
    rmSync(root, { force: true });
    if (nic) await parts.nics.detach(nic.id);
  }

  async function boot(customData: string | undefined): Promise<void> {
    if (machine) return;
    generation += 1;
    const mine = generation;
    await powerOn();
    const current = (): boolean => mine === generation;
    const booted = (existsSync(firstBootDone) ? units.startEnabled() : firstBoot(customData, current)).catch(
      (error: Error) => {
        say(`boot: ${error.message}`);
        context.log(`Guest ${vmId.split('/').at(-1)}: ${error.message}`);
      },
    );
    void booted.then(() => parts.nics.sync());
  }

  /** cloud-init, once for each instance. A failure is what it is on a real VM: a line in the log, and no service. */
  async function firstBoot(customData: string | undefined, current: () => boolean): Promise<void> {
    if (customData) await cloudInit(customData, current);
    if (!current()) return;
    mkdirSync(dirname(firstBootDone), { recursive: true });
    writeFileSync(firstBootDone, new Date().toISOString());
  }

  async function cloudInit(customData: string, current: () => boolean): Promise<void> {
    await runCloudInit(parseCloudConfig(customData), {
      disk,
      egress: machine && parts.network.egress(machine.nic),
      run: (argv) => scripts.run(argv.map((word) => mapPaths(word, root))),
      say,
      current,
    });
  }

  async function shutDown(): Promise<void> {
    generation += 1;
    if (frozen) return kill();
    scripts.signalAll('SIGKILL');
    await units.stopAll();
    await powerOff();
  }

  async function kill(): Promise<void> {
    generation += 1;
    scripts.signalAll('SIGKILL');
    await units.killAll();
    await powerOff();
  }

  async function reboot(): Promise<void> {
    await shutDown();
    await boot(undefined);
  }

  return {
    boot,
    shutDown,
    kill,
    freeze() {
      frozen = true;
      units.signalAll('SIGSTOP');
      scripts.signalAll('SIGSTOP');
    },
    isRunning: () => machine !== undefined,
    isFrozen: () => frozen,
    runScript: (script) => scripts.run(['/bin/sh', '-s'], mapPaths(script, root)),
    async wipe() {
      await kill();
      await rm(dir, { recursive: true, force: true });
      await rm(root, { force: true });
    },
    units,
  };
}

function listening(server: Server | TcpServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}
