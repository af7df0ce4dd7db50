/** Run as a process of its own by survival.test.ts: a MySQL server and a guest with HAProxy, then it waits to be killed. */
import { putNetwork, putNic, putVm, types } from './scene.ts';
import { openWorld } from './world.ts';

const config = `write_files:
  - path: /opt/test/haproxy.cfg
    content: |
      global
      defaults
        mode http
        timeout connect 1s
        timeout client 9s
        timeout server 9s
      frontend probe
        bind 10.20.1.4:8081
        monitor-uri /health
  - path: /etc/systemd/system/proxy.service
    content: |
      [Service]
      Type=notify
      ExecStart=/usr/sbin/haproxy -Ws -f /opt/test/haproxy.cfg
      Restart=always
runcmd:
  - [systemctl, start, proxy]
`;

const world = await openWorld();
const network = await putNetwork(world, 'hub', '10.20.0.0/16', []);
await putVm(world, 'vm', await putNic(world, 'nic', network, '10.20.1.4'), config);
await world.put(
  types.mysql,
  'mj-killed',
  { administratorLogin: 'keeper' },
  { writeOnly: { administratorLoginPassword: 'Aa1-keeper' } },
);
console.log(JSON.stringify({ dir: world.dir }));
// One that hangs on to life: nothing but SIGKILL ends it.
setInterval(() => {}, 1000);
