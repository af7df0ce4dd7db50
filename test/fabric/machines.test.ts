import { existsSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ArmResource } from '../../local/azure/contract.ts';
import { putNetwork, putNic, putVm, types } from './scene.ts';
import { commandLines, openWorld, until, type World } from './world.ts';

const config = `packages: [haproxy]
write_files:
  - path: /etc/systemd/system/stay.service
    content: |
      [Service]
      ExecStart=/bin/sleep 600
      Restart=always
      [Install]
      WantedBy=multi-user.target
runcmd:
  - [systemctl, enable, --now, stay]
  - echo "first boot" >> /opt/boots
`;

let world: World;
let network: string;
beforeAll(async () => {
  world = await openWorld();
  network = await putNetwork(world, 'hub', '10.20.0.0/16', [
    { name: 'web', priority: 100, source: '127.0.0.8/29', port: '8000' },
  ]);
});
afterAll(() => world.close());

let made = 3;
async function makeVm(name: string, publicIp = true, tags?: Record<string, string>): Promise<ArmResource> {
  made += 1;
  const more = publicIp ? { publicIPAddress: { id: (await world.put(types.publicIp, `${name}-ip`, {})).id } } : {};
  return putVm(world, name, await putNic(world, `${name}-nic`, network, `10.20.1.${made}`, more), config, tags);
}

async function run(vm: ArmResource, script: string): Promise<string> {
  const answer = await world.act(vm.id, 'runCommand', { commandId: 'RunShellScript', script: [script] });
  const [{ message }] = (answer?.value ?? [{}]) as [{ message: string }];
  return /\[stdout\]\n([\s\S]*)\n\[stderr\]/.exec(message)?.[1] ?? '';
}
const isActive = async (vm: ArmResource) =>
  (await run(vm, 'systemctl is-active stay').catch(() => '')).trim() === 'active';
const agent = async (vm: ArmResource): Promise<string | undefined> => {
  const view = (await world.act(vm.id, 'instanceView')) as { vmAgent: { statuses: { displayStatus: string }[] } };
  return view.vmAgent.statuses[0]?.displayStatus;
};

test('cloud-init runs once, its enabled units come back at every boot', async () => {
  const vm = await makeVm('once');
  await until(async () => (await run(vm, 'cat /opt/boots')) === 'first boot\n');
  await world.act(vm.id, 'restart');
  await until(() => isActive(vm));
  await world.act(vm.id, 'deallocate');
  await world.act(vm.id, 'start');
  await until(() => isActive(vm));
  expect(await run(vm, 'cat /opt/boots')).toBe('first boot\n');
});

test('a reimage forgets the disk and runs cloud-init again', async () => {
  const vm = await makeVm('again');
  await until(() => isActive(vm));
  await run(vm, 'touch /opt/kept');
  await world.act(vm.id, 'reimage');
  await until(async () => (await run(vm, 'ls /opt').catch(() => '')) === 'boots\n');
});

test('without a way out the packages cannot come, and the guest stays empty', async () => {
  const vm = await makeVm('cut-off', false);
  await until(() => world.log.some((line) => line.includes('no way out')));
  expect(await isActive(vm)).toBe(false);
  expect(readFileSync(join(world.dir, 'guests/rg--cut-off/log/cloud-init-output.log'), 'utf8')).toContain(
    'apt-get update failed',
  );
});

test.each([
  ['fault:crash', 'restart', true],
  ['fault:freeze', 'restart', true],
  ['fault:isolate', 'restart', false],
  ['fault:isolate', 'redeploy', true],
  ['fault:lose', 'redeploy', false],
])('after %s a %s helps: %s', async (fault, cure, helps) => {
  const vm = await makeVm(`${fault.slice(6)}-${cure}`);
  await until(() => isActive(vm));
  await world.act(vm.id, fault);
  expect(await agent(vm)).toBe('Not Ready');
  await expect(run(vm, 'true')).rejects.toThrow('not reported status');
  await world.act(vm.id, cure);
  if (helps) await until(() => isActive(vm));
  expect(await agent(vm)).toBe(helps ? 'Ready' : 'Not Ready');
  await world.remove(vm.id);
});

test('a stopped VM runs no command, and a fault outlives a restart of the local Azure', async () => {
  const vm = await makeVm('off');
  const broken = await makeVm('broken');
  await until(async () => (await isActive(vm)) && (await isActive(broken)));
  await world.act(vm.id, 'powerOff');
  await world.act(broken.id, 'fault:crash');
  await expect(run(vm, 'true')).rejects.toThrow('when the VM is not running');
  await world.restart();
  await expect(run(vm, 'true')).rejects.toThrow('when the VM is not running');
  expect(await agent(broken)).toBe('Not Ready');
  await until(() => isActive(world.state.get(world.id(types.vm, 'once')) as ArmResource));
});

test('a public address of its own leads to a VM, behind the rules of its network', async () => {
  const vm = await makeVm('public');
  await until(() => isActive(vm));
  const { inner } = world.addresses.nic(world.id(types.nic, 'public-nic'));
  const unit = `[Service]\nExecStart=/usr/bin/python3 -m http.server --bind ${inner} 8000\n`;
  await run(vm, `printf '${unit.replaceAll('\n', '\\n')}' > /etc/systemd/system/web.service; systemctl start web`);
  const address = String(world.state.get(world.id(types.publicIp, 'public-ip'))?.properties.ipAddress);
  const status = (from: string) =>
    new Promise((resolve, reject) => {
      get({ host: address, port: 8000, localAddress: from, agent: false }, (answer) =>
        resolve(answer.resume().statusCode),
      ).once('error', reject);
    });
  expect(await until(() => status('127.0.0.9'))).toBe(200);
  await expect(status('127.0.0.17')).rejects.toThrow();
});

test('a crash ends a script that still runs, and nothing of it stays', async () => {
  const vm = await makeVm('busy');
  await until(() => isActive(vm));
  const mark = `600.${Date.now()}`;
  const script = run(vm, `sleep ${mark} & sleep ${mark}`);
  await until(() => commandLines().filter((line) => line.includes(mark)).length >= 2);
  await world.act(vm.id, 'fault:crash');
  await script;
  expect(commandLines().filter((line) => line.includes(mark))).toEqual([]);
});

test('what a script does stays in the guest: the machine has no such user, service or file', async () => {
  const vm = world.state.get(world.id(types.vm, 'once')) as ArmResource;
  await run(vm, 'useradd intruder; apt-get install -y nothing; echo x > /etc/intruder; systemctl stop ssh');
  expect(readFileSync('/etc/passwd', 'utf8')).not.toContain('intruder');
  expect(existsSync('/etc/intruder')).toBe(false);
  expect(await run(vm, 'cat /etc/intruder')).toBe('x\n');
});

test('VMs and servers tagged local-no-guest are state only', async () => {
  const started = Date.now();
  for (let at = 0; at < 100; at += 1) await makeVm(`tagged-${at}`, false, { 'local-no-guest': '' });
  const server = await world.put(
    types.mysql,
    'tagged-db',
    { administratorLogin: 'keeper' },
    { tags: { 'local-no-guest': '' } },
  );
  await world.act(server.id, 'stop');
  expect(existsSync(join(world.dir, 'guests/rg--tagged-0'))).toBe(false);
  expect(existsSync(join(world.dir, 'mysql'))).toBe(false);
  expect(Date.now() - started).toBeLessThan(3000);
});
