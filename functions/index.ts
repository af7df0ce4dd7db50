import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { advance } from '../orchestrations/activities/advance.ts';
import { dismantle } from '../orchestrations/activities/dismantle.ts';
import { mend } from '../orchestrations/activities/heal.ts';
import { beginOperation, finishOperation } from '../orchestrations/activities/operation.ts';
import { rotateCredentials } from '../orchestrations/activities/rotate.ts';
import { scaleNodes } from '../orchestrations/activities/scale.ts';
import type { Activities, ActivityName, Progress } from '../orchestrations/contracts.ts';
import { heal } from '../orchestrations/heal.ts';
import { provision } from '../orchestrations/provision.ts';
import { rotate } from '../orchestrations/rotate.ts';
import { scale } from '../orchestrations/scale.ts';
import { teardown } from '../orchestrations/teardown.ts';
import { createWrites, type Writes } from '../shared/azure/armStep.ts';
import { readConfig } from '../shared/config.ts';
import { createDeps, type Deps, prepare } from '../shared/deps.ts';
import { register } from '../shared/serve.ts';
import type { Holder } from '../shared/store/leases.ts';
import { allRoutes } from './routes.ts';
import { registerTimers } from './timers.ts';

// Without streaming a chunked request body arrives empty (functions-host.md, 4.2).
app.setup({ enableHttpStream: true });

const deps = createDeps(readConfig());
const writes = createWrites();

app.hook.appStart(() => prepare(deps));

for (const route of allRoutes(deps)) register(route, deps);
registerTimers(deps);

df.app.orchestration('provision', provision);
df.app.orchestration('scale', scale);
df.app.orchestration('heal', heal);
df.app.orchestration('rotate', rotate);
df.app.orchestration('teardown', teardown);

type Handlers = { [Name in ActivityName]: (input: Activities[Name]['input']) => Promise<Activities[Name]['output']> };

type Work = (deps: Deps, writes: Writes) => (holder: Holder) => Promise<Progress>;

/** Each operation sees its own writes, and not what failed for another. */
const forOperation = (work: Work) => (holder: Holder) => work(deps, writes.of(holder.operationId))(holder);

const failingSince = new Map<string, Date>();

const activities: Handlers = {
  beginOperation: beginOperation(deps),
  advance: forOperation(advance),
  dismantle: forOperation(dismantle),
  scaleNodes: forOperation(scaleNodes),
  mend: forOperation(mend),
  rotateCredentials: forOperation((...given) => rotateCredentials(...given, failingSince)),
  finishOperation: finishOperation(deps),
};
for (const [name, handler] of Object.entries(activities))
  df.app.activity(name, { handler: handler as df.ActivityHandler });
